// A kernel's package as the files in it: .deb (deb(5)), .rpm, and tar archives, which pacman's packages (.pkg.tar.zst) and those of
// `make tarxz-pkg` are. It is known by its content. Nothing is written to a disk.

import { latin1 } from "../../base/bytes.ts";
import { UnpackBudget, unpackedLimit } from "../../elf/containers/budget.ts";
import { otherPackingOf, unpackOther } from "../../elf/containers/otherPackings.ts";
import { packingOf, unpack } from "../../elf/containers/packed.ts";
import { arMembers, isAr } from "./ar.ts";
import { ArchiveError, type ArchiveFile } from "./archive.ts";
import { cpioFiles, isCpio } from "./cpio.ts";
import { isRpm, readRpm } from "./rpm.ts";
import { isTar, tarFiles } from "./tar.ts";

export type PackageKind = "deb" | "rpm" | "tar";

/** A package that was opened. */
export interface Package {
  readonly kind: PackageKind;
  readonly files: readonly ArchiveFile[];
  /** What is left for files in it. */
  readonly budget: UnpackBudget;
}

const isDeb = (bytes: Uint8Array): boolean => isAr(bytes) && latin1(bytes, 8, 21) === "debian-binary";

/**
 * The files of a package, as they are packed in it themselves; null if the bytes are not a package.
 * @param unpacked the same without the packing of the whole, where it has one
 * @throws ArchiveError, PackedError, OtherPackedError if it is damaged, or unpacks to more than one is allowed to
 */
export async function openPackage(bytes: Uint8Array, unpacked: Uint8Array = bytes): Promise<Package | null> {
  const budget = new UnpackBudget(bytes);
  if (isDeb(bytes)) return { kind: "deb", files: await debFiles(bytes, budget), budget };
  if (isRpm(bytes)) {
    const { payload, format } = readRpm(bytes);
    if (format !== "cpio") throw new ArchiveError(0, `its files are in the form ${format}, which is not read here`);
    const archive = await contentOf(payload, budget);
    if (!isCpio(archive)) throw new ArchiveError(bytes.length - payload.length, "its files are not a cpio archive");
    return { kind: "rpm", files: [...cpioFiles(archive)], budget };
  }
  if (!isTar(unpacked)) return null;
  if (unpacked !== bytes) budget.take(unpacked.length);
  return { kind: "tar", files: [...tarFiles(unpacked)], budget };
}

async function debFiles(bytes: Uint8Array, budget: UnpackBudget): Promise<ArchiveFile[]> {
  for (const member of arMembers(bytes)) {
    if (!/^data\.tar(?:\.\w+)?$/.test(member.name)) continue;
    const archive = await contentOf(member.bytes, budget);
    if (!isTar(archive)) throw new ArchiveError(0, `${member.name} is not a tar archive`);
    return [...tarFiles(archive)];
  }
  throw new ArchiveError(bytes.length, "it has no data.tar");
}

/** What was packed. @throws PackedError, OtherPackedError */
async function contentOf(bytes: Uint8Array, budget: UnpackBudget): Promise<Uint8Array> {
  const other = otherPackingOf(bytes);
  if (packingOf(bytes) !== null || other === null) return unpack(bytes, null, budget);
  const content = await unpackOther(other, bytes, Math.min(unpackedLimit(bytes.length), budget.left));
  return budget.taken(content);
}
