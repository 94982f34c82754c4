// What a module's debug information, and its kernel's, tell of types: parameters of functions, and the places that the
// livepatch stack is found by.

import { Btf, BtfError } from "../../elf/btf.ts";
import {
  CompressionError,
  loadZstd,
  sectionContent,
  usesZstd,
  type ZstdUnpacker,
} from "../../elf/containers/compressed.ts";
import { addPrototype, type Prototype, type Prototypes } from "../../elf/dwarf/types/prototype.ts";
import { readTypeFacts } from "../../elf/dwarf/types/prototypes.ts";
import type { ElfFile } from "../../elf/reader.ts";
import { type LivepatchStackSource, STACK_MEMBERS, stackFromMembers } from "../image/livepatchStack.ts";
import type { Kernel } from "../kernel.ts";

export interface ModuleFacts {
  readonly prototypes: Prototypes;
  /** What each file that was looked at says of the livepatch stack. */
  readonly stacks: readonly LivepatchStackSource[];
  /** Unpacks the debug sections, if some are packed with zstd. */
  readonly unzstd?: ZstdUnpacker | null;
}

export const NO_FACTS: ModuleFacts = { prototypes: new Map(), stacks: [] };

/**
 * Reads DWARF and BTF of a module; a module's BTF counts on from vmlinux's, or from a part of it that it carries.
 * Damaged debug information is as good as none.
 * @param wantsStack whether vmlinux's DWARF is to be read for the livepatch stack, if nothing else in vmlinux tells
 */
export async function readModuleFacts(file: ElfFile, kernel: Kernel | null, wantsStack = false): Promise<ModuleFacts> {
  const { prototypes: fromDwarf, members } = await readTypeFacts(file, STACK_MEMBERS);
  const prototypes = new Map<string, Prototype | null>(fromDwarf);
  for (const [name, prototype] of await fromBtf(file, kernel)) {
    // DWARF tells more: whether a function has a prototype at all.
    if (!fromDwarf.has(name)) addPrototype(prototypes, name, prototype);
  }
  const stacks = [...(kernel?.livepatchStacks ?? [])];
  if (stacks.length === 0 && wantsStack) {
    const told = (await kernel?.readLivepatchStack()) ?? null;
    if (told !== null) stacks.push(told);
  }
  const stack = stackFromMembers((member) => members.get(member) ?? null);
  if (stack !== null) stacks.push({ ...stack, source: "the module's debug information" });
  return { prototypes, stacks, unzstd: await unzstdFor(file) };
}

/** The unpacker that the debug sections of a file need; null if they need none. */
export async function unzstdFor(file: ElfFile): Promise<ZstdUnpacker | null> {
  return usesZstd(file) ? loadZstd() : null;
}

async function fromBtf(file: ElfFile, kernel: Kernel | null): Promise<Map<string, Prototype | null>> {
  const section = file.sections.findByName(".BTF");
  if (section === null) return new Map();
  try {
    const own = file.sections.findByName(".BTF.base");
    const base = own === null ? (kernel?.btf ?? null) : new Btf(await sectionContent(file, own), file.littleEndian);
    return new Btf(await sectionContent(file, section), file.littleEndian, base).prototypes();
  } catch (error) {
    if (!(error instanceof BtfError || error instanceof CompressionError)) throw error;
    return new Map();
  }
}
