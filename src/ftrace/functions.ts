// The functions of a file, as the kernel will see them in its symbol table: names, places, extents.

import type { ArchName } from "../base/archName.ts";
import { SHF_EXECINSTR, STT_FILE, STT_FUNC, STT_SECTION } from "../elf/consts.ts";
import { elfMachines } from "../elf/machine.ts";
import type { SectionTable } from "../elf/views/sections.ts";
import { localEntryOffset, type SymbolTable } from "../elf/views/symbols.ts";

/** A named piece of code. Offsets are bytes in its section. */
export interface CodeFunction {
  readonly name: string;
  /** Other names at the same offset. */
  readonly aliases: readonly string[];
  readonly section: number;
  readonly start: number;
  /** st_size, or the distance to the next symbol where that is 0; never beyond the section. */
  readonly end: number;
  /** ppc64le: offset of the local entry point; `start` elsewhere. */
  readonly localEntry: number;
  /** Whether the symbol says that it is a function (assembler labels do not). */
  readonly isFunction: boolean;
}

/**
 * Names that the kernel does not take for functions: empty, compiler-local and mapping symbols, and the symbols that
 * objtool and clang put on the padding in front of functions.
 */
const isPassedOver = (name: string): boolean =>
  name === "" ||
  name.startsWith(".L") ||
  name.startsWith("$") ||
  name.startsWith("__pfx_") ||
  name.startsWith("__cfi_");

/** A symbol in code. Offsets and sizes are bytes. */
interface CodeLabel {
  readonly name: string;
  readonly section: number;
  readonly start: number;
  readonly size: number;
  readonly other: number;
  /** Of several at one place the lowest gives it its name. */
  readonly rank: number;
  readonly isFunction: boolean;
}

/** By section, offset and rank. */
function labelsIn(sections: SectionTable, symbols: SymbolTable, isLinked: boolean): CodeLabel[] {
  const found: CodeLabel[] = [];
  for (let i = 1; i < symbols.count; i++) {
    const type = symbols.type(i);
    const section = symbols.sectionOf(i);
    if (section === null || section >= sections.count || type === STT_SECTION || type === STT_FILE) continue;
    if (!sections.hasFlags(section, SHF_EXECINSTR)) continue;
    const name = symbols.name(i);
    if (isPassedOver(name)) continue;
    const start = isLinked ? Number(symbols.value(i) - sections.addr(section)) : symbols.offset(i);
    if (!(start >= 0 && start < sections.size(section))) continue;
    const isFunction = type === STT_FUNC;
    const size = symbols.size(i);
    const rank = (isFunction ? 0 : 2) + (size > 0 ? 0 : 1);
    found.push({ name, section, start, size, other: symbols.other(i), rank, isFunction });
  }
  return found.sort((a, b) => a.section - b.section || a.start - b.start || a.rank - b.rank);
}

/** All functions, by section and offset; one entry an offset. */
export function readCodeFunctions(
  sections: SectionTable,
  symbols: SymbolTable | null,
  arch: ArchName,
  isLinked: boolean,
): CodeFunction[] {
  const found = symbols === null ? [] : labelsIn(sections, symbols, isLinked);
  const functions: CodeFunction[] = [];
  for (let i = 0; i < found.length; ) {
    const first = found[i] as CodeLabel;
    let next = i + 1;
    while (found[next]?.section === first.section && found[next]?.start === first.start) next++;
    const behind = found[next];
    const limit = behind?.section === first.section ? behind.start : sections.size(first.section);
    const size =
      first.size > 0 ? Math.min(first.size, sections.size(first.section) - first.start) : limit - first.start;
    functions.push({
      name: first.name,
      aliases: [...new Set(found.slice(i + 1, next).map((f) => f.name))].filter((n) => n !== first.name),
      section: first.section,
      start: first.start,
      end: first.start + size,
      localEntry: first.start + (elfMachines[arch].hasLocalEntries ? localEntryOffset(first.other) : 0),
      isFunction: first.isFunction,
    });
    i = next;
  }
  return functions;
}
