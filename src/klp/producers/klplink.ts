// klplink's own form: a relocatable object with ordinary relocations against weak undefined symbols, whose names say which livepatch
// symbol is meant. Any `ld -r`, modpost and objtool passes it through; here it becomes a livepatch.

import { viewOf } from "../../base/bytes.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { SymbolHandle } from "../../elf/writer/edits.ts";
import type { KlpSymbolName } from "../symbols/names.ts";
import type { Finish } from "./intermediate.ts";
import { parseConvertSymbol, readSymbols } from "./klpConvert.ts";
import { KLP_CONVERT_SYMBOL_PREFIX, KLPLINK_NOTE } from "./producer.ts";

/** The tables that klplink-init.c reads: entries of struct klp_object_ext, klp_func_ext (7.2), and of its own. Bytes. */
const TABLES = [
  { section: ".init.klp_objects", entry: 64, bounds: "__klplink_objects" },
  { section: ".init.klp_funcs", entry: 24, bounds: null },
  { section: ".klplink.states", entry: 16, bounds: "__klplink_states" },
] as const;

/** Type information of another build than the kernel's: the loader may refuse it, and the livepatch does not need it. */
const TYPE_INFORMATION = [".BTF", ".BTF.base", ".BTF_ids"];

/** Whether a symbol is one that {@link finishKlplink} has to turn into a livepatch symbol. */
export function firstAnnotatedSymbol(symbols: SymbolTable): number | null {
  return symbols.startingWith(KLP_CONVERT_SYMBOL_PREFIX).find((i) => symbols.isUndefined(i)) ?? null;
}

/** Whether the file has the bounds of klplink's tables: its names are then klplink's, not those of klp-convert. */
export function hasKlplinkTables(symbols: SymbolTable): boolean {
  return symbols.called("__klplink_objects").some((i) => symbols.sectionOf(i) !== null);
}

/** Finishes an object of klplink's own form. @param keep keeps the note of what was taken and why */
export function finishKlplink(finish: Finish, keep: boolean, path: string): void {
  const { symbols } = finish;
  checkTables(finish);
  for (let i = 1; i < symbols.count; i++) {
    const name = symbols.isUndefined(i) ? symbols.name(i) : "";
    // What follows a dot may be the end of a name as well: here a comma is asked for.
    const parsed = name.startsWith(KLP_CONVERT_SYMBOL_PREFIX) ? parseConvertSymbol(name) : null;
    if (parsed?.other) finish.malformed(null, 0, `symbol ${name} is not .klp.sym.rela.OBJECT.OWNER.NAME,POSITION`);
    if (parsed !== null && finish.checkObject(parsed.patched, null, 0)) finish.checkObject(parsed.name.object, null, 0);
  }
  const renamed = new Map<SymbolHandle, KlpSymbolName>();
  const objects = new Map<SymbolHandle, string>();
  readSymbols(finish, path, renamed, objects);
  for (const [symbol, name] of renamed) finish.renameToKlp(symbol, name);
  finish.moveRelocations(objects);
  dropUnneeded(finish, keep);
}

/** The tables consist of whole entries, and their bounds are where they begin and end. */
function checkTables(finish: Finish): void {
  const { sections } = finish.file;
  for (const { section, entry, bounds } of TABLES) {
    const found = sections.findByName(section);
    if (found === null) continue;
    const size = sections.size(found);
    if (size % entry !== 0) finish.malformed(found, size - (size % entry), `${size} bytes, no multiple of ${entry}`);
    if (bounds === null) continue;
    checkBound(finish, found, bounds, 0);
    checkBound(finish, found, `${bounds}_end`, size);
    if (section === ".klplink.states") checkStates(finish, found, entry);
  }
}

/** `ld -r` of two such objects leaves the bounds of the first. */
function checkBound(finish: Finish, section: number, name: string, expected: number): void {
  const { symbols } = finish;
  for (const i of symbols.called(name)) {
    if (symbols.sectionOf(i) === null) continue;
    const at = symbols.offset(i);
    if (symbols.sectionOf(i) === section && at === expected) return;
    finish.malformed(section, at, `${name} is at ${at}, where ${expected} is expected`);
    return;
  }
}

/** struct klp_patch ends its list of states with a state whose id is 0. */
function checkStates(finish: Finish, section: number, entry: number): void {
  const data = finish.file.sections.data(section);
  const view = viewOf(data);
  for (let at = 0; at + entry <= data.length; at += entry) {
    if (view.getBigUint64(at, finish.file.littleEndian) === 0n) finish.malformed(section, at, "a state has the id 0");
  }
}

/** The note, and type information that nothing in the file refers to. */
function dropUnneeded(finish: Finish, keep: boolean): void {
  const { file, symbols } = finish;
  const used = new Set<number>();
  for (const table of file.relocations) {
    for (let row = 0; row < table.count; row++) {
      const home = symbols.sectionOf(table.symbol(row));
      if (home !== null && home !== table.target) used.add(home);
    }
  }
  for (let i = 1; i < file.sections.count; i++) {
    const name = file.sections.name(i);
    if (name === KLPLINK_NOTE ? !keep : TYPE_INFORMATION.includes(name) && !used.has(i)) finish.drop(i);
  }
}
