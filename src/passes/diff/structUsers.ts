// Functions outside of a patch that use a struct whose layout it changes: in other objects of the build, or in the kernel.

import { Work, WorkPool } from "../../base/work.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { BtfError } from "../../elf/btf.ts";
import { btfTypesOf, readBtfTypes } from "../../elf/btfTypes.ts";
import { CompressionError, isPacked, sectionContent } from "../../elf/containers/compressed.ts";
import { readDwarfTypes } from "../../elf/dwarf/types/typeTable.ts";
import { ElfError } from "../../elf/error.ts";
import { type ElfFile, readElf } from "../../elf/reader.ts";
import type { TypeTable } from "../../elf/typeTable.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { inProportionNow } from "../input.ts";
import type { DiffResult } from "./diff.ts";

/** A struct of a header, or of a file, whose layout changed. */
interface ChangedStruct {
  readonly name: string;
  /** Bytes before the patch. */
  readonly size: number;
  readonly members: readonly string[];
  readonly file: string;
  readonly places: { readonly file: string; readonly functions: readonly string[] }[];
}

/** Gathers the users of all structs that some results say are of another layout. */
export class StructUsers {
  readonly #structs = new Map<string, ChangedStruct>();
  readonly #pool: WorkPool;
  /** Names of all structs, each once: what holds one has it in its own debug information. */
  #names: ReadonlySet<string> | null = null;

  /** @param pool steps that all files share */
  constructor(results: readonly DiffResult[], pool = new WorkPool()) {
    this.#pool = pool;
    for (const { meaning, patched } of results) {
      for (const { name, scope, sizes, members } of meaning?.types?.layouts ?? []) {
        if (scope !== null) continue;
        const key = `${name} ${sizes[0]}`;
        const told = members.map((m) => `${m.path} ${m.before ?? "was not there"}, then ${m.after ?? "is gone"}`);
        if (this.#structs.has(key)) continue;
        this.#structs.set(key, { name, size: sizes[0], members: told, file: patched.path, places: [] });
      }
    }
  }

  get isEmpty(): boolean {
    return this.#structs.size === 0;
  }

  /**
   * Looks through an object file that is not a part of the patch. @param file its name in what is said
   * @throws Unusable KLP127 if there are out of all proportion many structs
   */
  async addObject(bytes: Uint8Array, file: string): Promise<void> {
    this.#names ??= new Set([...this.#structs.values()].map((s) => plainName(s.name)));
    const names = [...this.#names];
    try {
      const mayHave = names.length > FEW_NAMES || isAnyIn(names, bytes);
      const elf = mayHave ? readElf(bytes) : await packedNaming(names, bytes);
      if (elf === null) return;
      const types = (await readDwarfTypes(elf)) ?? readBtfTypes(elf);
      inProportionNow(() => this.#add(types, file, new Set(), new Work(file, bytes.length, this.#pool)));
    } catch (error) {
      // What cannot be read is told where it is compared.
      if (!(error instanceof ElfError) && !(error instanceof CompressionError)) throw error;
    }
  }

  /** Looks through the types of the kernel. @param own functions of the patched object itself @throws Unusable KLP127, as {@link addObject} */
  addKernel({ btf, source }: Kernel, own: ReadonlySet<string>): void {
    if (btf === null) return;
    try {
      inProportionNow(() => this.#add(btfTypesOf(btf), source, own, new Work(source, 0, this.#pool)));
    } catch (error) {
      if (!(error instanceof BtfError)) throw error;
    }
  }

  problems(): Problem[] {
    return [...this.#structs.values()].flatMap(({ name, members, file, places }) =>
      places.length === 0 ? [] : [problem("KLP742", { file }, { name, members, places })],
    );
  }

  #add(types: TypeTable | null, file: string, own: ReadonlySet<string>, work: Work): void {
    if (types === null) return;
    const holders = holdersOf(types);
    const steps = [...types.uses.values()].reduce((sum, of) => sum + of.size, types.aggregates.size);
    for (const { name, size, places } of this.#structs.values()) {
      work.take(steps, "looking for the users of structs");
      const keys = new Set<string>();
      let isThere = false;
      for (const [key, a] of types.aggregates) {
        if (a.name !== name) continue;
        keys.add(key);
        if (a.size === size) isThere = true;
      }
      addHolders(holders, keys);
      // Another file's struct may have the name.
      if (!isThere) continue;
      const functions: string[] = [];
      for (const [user, of] of types.uses) if (!own.has(user) && [...of].some((k) => keys.has(k))) functions.push(user);
      if (functions.length > 0) places.push({ file, functions: functions.sort() });
    }
  }
}

/** So many names are looked for in the bytes of a file before its types are read; of more, most files have one. */
const FEW_NAMES = 64;

/** The name of a type without the word before it, as debug information has it. */
const plainName = (name: string): string => name.replace(/^(?:struct|union) /, "");

/** Whether one of some names stands in bytes, with an end behind it. */
function isAnyIn(names: readonly string[], bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return names.some((name) => text.includes(`${name}\0`, 0, "latin1"));
}

/** Names so long that compilers write a reference to one, which is shorter (DW_FORM_strp). Bytes, without the end. */
const IN_STRINGS = 4;
const STRINGS = /^\.z?debug_str$/;
const UNITS = /^\.z?debug_info$/;

/**
 * An object whose debug information is compressed, if one of some names stands there.
 * @throws ElfError, CompressionError
 */
async function packedNaming(names: readonly string[], bytes: Uint8Array): Promise<ElfFile | null> {
  const elf = readElf(bytes);
  const { sections } = elf;
  const all = Array.from({ length: sections.count }, (_, i) => i);
  const hasStrings = all.some((i) => STRINGS.test(sections.name(i)));
  const isAsked = (i: number): boolean =>
    STRINGS.test(sections.name(i)) ||
    (UNITS.test(sections.name(i)) && (!hasStrings || names.some((n) => n.length < IN_STRINGS)));
  for (const i of all.filter((one) => isAsked(one) && isPacked(elf, one)))
    if (isAnyIn(names, await sectionContent(elf, i))) return elf;
  return null;
}

/** Adds those that hold one of some structs, by their keys, and those that hold them. Each is looked at once. */
function addHolders(holders: ReadonlyMap<string, readonly string[]>, keys: Set<string>): void {
  // A set gives out what is added to it meanwhile.
  for (const key of keys) for (const holder of holders.get(key) ?? []) keys.add(holder);
}

/** By a struct's key, the keys of those that have a member of it. */
function holdersOf({ aggregates }: TypeTable): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [key, { members }] of aggregates)
    for (const { type } of members) {
      if (type.holds === null) continue;
      const list = found.get(type.holds);
      if (list === undefined) found.set(type.holds, [key]);
      else list.push(key);
    }
  return found;
}
