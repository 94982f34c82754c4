// Jump labels of x86: compilers write a jump at each, and mark those that are to begin as a nop; objtool puts the nop there
// (HAVE_JUMP_LABEL_HACK, since 5.14). The kernel compares the code with what it has to be before it changes it
// (__jump_label_patch, arch/x86/kernel/jump_label.c of 6.1, 6.12 and 7.2), when a key is switched first.

import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_EXECINSTR } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { isFinishedModule } from "../../kernel/module/formRules.ts";
import { placeIn } from "../place.ts";
import type { RuleContext } from "./context.ts";

/** Bytes of an entry: distances to code, target and key. */
const ENTRY = 16;
const KEY_AT = 8;
/** Of struct static_key: where its type stands, whose lowest bit is the initial value (include/linux/jump_label.h). */
const TYPE_AT = 8;

const NOPS = [
  [0x66, 0x90],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
];

type Op = "jump" | "nop" | "other";

function opAt(code: Uint8Array, at: number): Op {
  if (code[at] === 0xe9 || code[at] === 0xeb) return "jump";
  return NOPS.some((nop) => nop.every((byte, i) => code[at + i] === byte)) ? "nop" : "other";
}

/** A site's code and its key, as the table's relocations tell them. */
interface Site {
  readonly section: number;
  readonly at: number;
  /** The key's section and offset; null if it is another object's. */
  readonly key: { readonly section: number; readonly at: number } | null;
  /** Bit 0: which way the branch goes by default; bit 1: the jump is to become a nop. */
  readonly bits: number;
}

/** Sites that hold another instruction than the kernel will look for. */
export function checkJumpLabels(context: RuleContext): Problem[] {
  const hint = context.arch.objtool?.nopHint ?? null;
  // objtool comes last, in kernels with IBT when the module is linked already.
  if (hint === null || !isFinishedModule(context.file, context.path)) return [];
  const { file } = context;
  const { sections } = file;
  const problems: Problem[] = [];
  for (const table of file.relocations) {
    if (sections.name(table.target) !== "__jump_table" || !table.hasAddends) continue;
    for (const { section, at: offset, key, bits } of sitesOf(context, table)) {
      const found = opAt(sections.data(section), offset);
      const expected = (bits & hint) !== 0 ? "nop" : key === null ? null : initialOp(context, key, bits);
      if (found === expected || (expected === null && found !== "other")) continue;
      const at = placeIn(context, section, offset);
      problems.push(problem("KLP473", at, { found, expected }));
    }
  }
  return problems;
}

function sitesOf({ file, symbols, arch }: RuleContext, table: RelocationTable): Site[] {
  const { sections } = file;
  const { defs } = arch.relocs;
  /** By offset of their entry: rows that name code. */
  const codes = new Map<number, number>();
  const addressOf = (row: number): number => symbols.offset(table.symbol(row)) + table.addendNumber(row);
  for (let row = 0; row < table.count; row++) {
    const offset = table.offset(row);
    const section = offset % ENTRY === 0 ? symbols.sectionOf(table.symbol(row)) : null;
    if (section === null || !sections.hasFlags(section, SHF_EXECINSTR)) continue;
    // Entries of 24 bytes, with addresses, are from before there were marks.
    if (defs.get(table.type(row))?.value !== "S+A-P" || !sections.hasBytes(section)) continue;
    codes.set(offset, row);
  }
  const sites: Site[] = [];
  for (let row = 0; row < table.count; row++) {
    const offset = table.offset(row);
    const code = offset % ENTRY === KEY_AT ? codes.get(offset - KEY_AT) : undefined;
    if (code === undefined) continue;
    const home = symbols.sectionOf(table.symbol(row));
    const value = addressOf(row);
    const bits = value & 3;
    const key = home === null ? null : { section: home, at: value - bits };
    sites.push({ section: symbols.sectionOf(table.symbol(code)) ?? 0, at: addressOf(code), key, bits });
  }
  return sites;
}

/** What a site holds as long as its key has its initial value (jump_label_init_type, kernel/jump_label.c); null if that is not known. */
function initialOp({ file }: RuleContext, key: { section: number; at: number }, bits: number): Op | null {
  const { sections } = file;
  if (key.at + TYPE_AT >= sections.size(key.section)) return null;
  const type = sections.hasBytes(key.section) ? (sections.data(key.section)[key.at + TYPE_AT] ?? 0) & 1 : 0;
  return (type ^ (bits & 1)) === 1 ? "jump" : "nop";
}
