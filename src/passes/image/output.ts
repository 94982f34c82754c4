// Forms in which an image leaves klplink: an ELF file, one file a section, a table.

import { printable } from "../../base/bytes.ts";
import { append } from "../../base/lists.ts";
import { visible } from "../../base/visible.ts";
import { SHF_ALLOC, SHT_NOTE, STT_FILE } from "../../elf/consts.ts";
import { CompressionError, sectionContent } from "../../elf/containers/compressed.ts";
import { groupByTarget, relocated } from "../../elf/dwarf/sections.ts";
import { type OutputSection, writeImageElf } from "../../elf/writer/image.ts";
import { REGIONS } from "../../kernel/loader/layout.ts";
import type { ImageSection, ModuleImage } from "./image.ts";
import { outputSymbols, stubTarget } from "./outputSymbols.ts";

/** Sections whose bytes in memory the output shows in a form of its own. */
function shownSections(image: ModuleImage): ImageSection[] {
  const { symtab, strtab } = symtabIndices(image);
  return image.sections.filter((s) => s.index !== symtab && s.index !== strtab);
}

function symtabIndices(image: ModuleImage): { symtab: number; strtab: number } {
  const symtab = image.symbols.section;
  return { symtab, strtab: image.file.sections.link(symtab) };
}

/**
 * The module's debug information, with the addresses of the image in it; of a file without any, none. Data that cannot be
 * unpacked is left out.
 */
export async function imageDebug(image: ModuleImage): Promise<OutputSection[]> {
  const { file } = image;
  const { sections } = file;
  const address = new Map(image.sections.map((s) => [s.index, s.address]));
  if (image.percpu !== null) address.set(image.percpu.index, image.percpu.address);
  const tables = groupByTarget(file.relocations);
  const found: OutputSection[] = [];
  for (let i = 1; i < sections.count; i++) {
    const [, name] = /^\.z?debug_(\w+)$/.exec(sections.name(i)) ?? [];
    if (name === undefined || sections.hasFlags(i, SHF_ALLOC)) continue;
    try {
      const content = await sectionContent(file, i);
      const bytes = relocated(file, content, tables.get(i) ?? [], (section) => address.get(section) ?? 0n);
      found.push({ name: `.debug_${name}`, address: 0n, bytes, flags: 0, alignment: 1, mapped: false });
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
    }
  }
  return found;
}

/**
 * The image as an ELF file with sections at their addresses and symbols with their final values, in pieces: one after the other.
 * @param debug from {@link imageDebug}
 */
export function imagePieces(image: ModuleImage, debug: readonly OutputSection[] = []): Uint8Array[] {
  const shown = shownSections(image);
  const { sections: headers } = image.file;
  const sections: OutputSection[] = shown.map((s) => ({
    ...s,
    mapped: true,
    isNote: headers.type(s.index) === SHT_NOTE,
  }));
  if (image.percpu !== null) sections.push({ ...image.percpu, mapped: false });
  append(sections, debug);
  const newIndex = new Map<number, number>(shown.map((s, i) => [s.index, i]));
  if (image.percpu !== null) newIndex.set(image.percpu.index, shown.length);
  const header = { ...image.file.header, littleEndian: image.file.littleEndian };
  return writeImageElf(header, sections, outputSymbols(image, newIndex));
}

/** As {@link imagePieces}, in one. */
export const imageElf = (image: ModuleImage, debug: readonly OutputSection[] = []): Uint8Array =>
  new Uint8Array(Buffer.concat(imagePieces(image, debug)));

/** Bytes that a file's name may have, with room for what is put behind it (ext4, xfs, btrfs: 255). */
const LONGEST_NAME = 200;

/** One file a section; names that differ in case only, or that no file can have, get the section's index. */
export function rawFiles(image: ModuleImage): { name: string; bytes: Uint8Array }[] {
  const used = new Set<string>();
  return [...image.sections, ...(image.percpu === null ? [] : [image.percpu])].map((s) => {
    let name = s.name.replace(/[^\w.+-]/g, "_").slice(0, LONGEST_NAME);
    if (/^\.{0,2}$/.test(name) || name.length === LONGEST_NAME) name = `${name}.${s.index}`;
    while (used.has(name.toLowerCase())) name = `${name}.${s.index}`;
    used.add(name.toLowerCase());
    return { name, bytes: s.bytes };
  });
}

const address = (v: bigint): string => BigInt.asUintN(64, v).toString(16).padStart(16, "0");

/** The image as a table: regions, sections, stubs, what is not known, symbols by address. */
export function mapText(image: ModuleImage): string {
  const lines: string[] = [`${image.module} (${image.arch.name})`, "", "regions"];
  for (const region of REGIONS) {
    const base = image.placed.bases.get(region);
    const size = image.layout.sizes.get(region);
    if (base === undefined || size === undefined) continue;
    lines.push(`  ${address(base)} ${hexSize(size)} ${region}`);
  }
  lines.push("", "sections");
  const byAddress = [...image.sections].sort((a, b) => order(a.address, b.address) || a.index - b.index);
  for (const s of byAddress) lines.push(`  ${address(s.address)} ${hexSize(s.bytes.length)} ${printable(s.name)}`);
  if (image.percpu !== null) {
    lines.push(
      `  ${address(image.percpu.address)} ${hexSize(image.percpu.bytes.length)} ${image.percpu.name} (per-CPU)`,
    );
  }
  const home = new Map(image.sections.map((s) => [s.index, s]));
  if (image.stubs.length > 0) lines.push("", "stubs");
  for (const stub of image.stubs) {
    const at = (home.get(stub.section)?.address ?? 0n) + BigInt(stub.offset);
    lines.push(
      `  ${address(at)} ${hexSize(stub.size)} -> ${address(stub.target)} ${printable(stubTarget(image, stub))}`,
    );
  }
  if (image.unknown.length > 0) lines.push("", "not known");
  for (const range of image.unknown) {
    const section = home.get(range.section);
    const at = (section?.address ?? 0n) + BigInt(range.start);
    const name = `${printable(section?.name ?? "")}+0x${range.start.toString(16)}`;
    lines.push(`  ${address(at)} ${hexSize(range.end - range.start)} ${name}: ${range.reason}`);
  }
  lines.push("", "symbols");
  const rows: { value: bigint; text: string; index: number }[] = [];
  for (let i = 1; i < image.symbols.count; i++) {
    const name = image.symbols.name(i);
    const section = image.symbols.sectionOf(i);
    if (name === "" || image.symbols.type(i) === STT_FILE) continue;
    if (section !== null && !home.has(section) && section !== image.percpu?.index) continue;
    const value = image.values[i] ?? 0n;
    rows.push({ value, text: `  ${address(value)} ${hexSize(image.symbols.size(i))} ${printable(name)}`, index: i });
  }
  rows.sort((a, b) => order(a.value, b.value) || a.index - b.index);
  append(
    lines,
    rows.map((r) => r.text),
  );
  return `${lines.map(visible).join("\n")}\n`;
}

const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
const hexSize = (size: number): string => size.toString(16).padStart(8);
