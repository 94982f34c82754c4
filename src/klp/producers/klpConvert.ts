// klp-convert's annotations, both dialects. Its symbols keep their index: they are renamed, and their relocations moved.

import { viewOf } from "../../base/bytes.ts";
import { problem } from "../../diag/catalogue.ts";
import type { SymbolHandle } from "../../elf/writer/edits.ts";
import type { KlpSymbolName } from "../symbols/names.ts";
import { type Finish, Pointers } from "./intermediate.ts";
import { KLP_CONVERT_SECTION_PREFIX, KLP_CONVERT_SYMBOL_PREFIX } from "./producer.ts";

/** Entries of `.klp.module_relocs.OBJECT` (v1 to v7 of the klp-convert series): packed {symbol u64, position u32}. */
const ENTRY = { size: 12, symbol: 0, position: 8 } as const;

export function finishKlpConvert(finish: Finish, keep: boolean, path: string): void {
  const renamed = new Map<SymbolHandle, KlpSymbolName>();
  const objects = new Map<SymbolHandle, string>();
  readAnnotations(finish, keep, path, renamed, objects);
  readSymbols(finish, renamed, objects);
  for (const [symbol, name] of renamed) finish.renameToKlp(symbol, name);
  finish.moveRelocations(objects);
}

/** v1 to v7: which object a symbol is in, and its position there. The relocation waits for that object. */
function readAnnotations(
  finish: Finish,
  keep: boolean,
  path: string,
  renamed: Map<SymbolHandle, KlpSymbolName>,
  objects: Map<SymbolHandle, string>,
): void {
  const { sections } = finish.file;
  for (let section = 1; section < sections.count; section++) {
    const name = sections.name(section);
    if (!name.startsWith(KLP_CONVERT_SECTION_PREFIX)) continue;
    const object = name.slice(KLP_CONVERT_SECTION_PREFIX.length);
    const data = sections.data(section);
    const view = viewOf(data);
    if (object === "") finish.malformed(section, 0, "the section's name has no object");
    if (data.length % ENTRY.size !== 0) {
      const end = data.length - (data.length % ENTRY.size);
      finish.malformed(section, end, `${data.length} bytes, no multiple of ${ENTRY.size}`);
    }
    const pointers = new Pointers(finish.file, section, finish.absolute);
    for (let at = 0; at + ENTRY.size <= data.length; at += ENTRY.size) {
      const pointer = pointers.at(at + ENTRY.symbol);
      if (pointer === null || !finish.symbols.isUndefined(pointer.symbol) || pointer.symbol === 0) {
        finish.malformed(section, at, "no undefined symbol is annotated here");
        continue;
      }
      const position = view.getUint32(at + ENTRY.position, finish.file.littleEndian);
      const symbol = finish.symbols.name(pointer.symbol);
      const before = renamed.get(pointer.symbol);
      if (before !== undefined && (before.position !== position || before.object !== object)) {
        const data = { symbol, first: before, second: { object, position } };
        finish.problems.push(problem("KLP423", { file: path, section: name, offset: at }, data));
        continue;
      }
      renamed.set(pointer.symbol, { object, name: symbol, position });
      objects.set(pointer.symbol, object);
    }
    if (!keep) finish.drop(section);
  }
}

/** The dialect of 2024: everything stands in the symbol's name. */
function readSymbols(
  finish: Finish,
  renamed: Map<SymbolHandle, KlpSymbolName>,
  objects: Map<SymbolHandle, string>,
): void {
  for (let symbol = 1; symbol < finish.symbols.count; symbol++) {
    if (!finish.symbols.isUndefined(symbol)) continue;
    const text = finish.symbols.name(symbol);
    if (!text.startsWith(KLP_CONVERT_SYMBOL_PREFIX)) continue;
    const parsed = parseConvertSymbol(text);
    if (parsed === null) {
      finish.malformed(null, 0, `symbol ${text} is not .klp.sym.rela.PATCHED.OWNER.NAME,POSITION`);
      continue;
    }
    renamed.set(symbol, parsed.name);
    objects.set(symbol, parsed.patched);
  }
}

/**
 * `.klp.sym.rela.PATCHED.OWNER.NAME,POSITION` (v1, v2) or `….NAME.POSITION` (v3, which knows no dot in NAME).
 * `patched` is the object that the relocations wait for, `name.object` the one that has the symbol.
 */
export function parseConvertSymbol(text: string): { readonly patched: string; readonly name: KlpSymbolName } | null {
  const match =
    /^\.klp\.sym\.rela\.([^.]+)\.([^.]+)\.([^,]+),(\d{1,9})$/.exec(text) ??
    /^\.klp\.sym\.rela\.([^.]+)\.([^.]+)\.([^.,]+)\.(\d{1,9})$/.exec(text);
  if (match === null) return null;
  const [, patched = "", object = "", name = "", position = ""] = match;
  return { patched, name: { object, name, position: Number(position) } };
}
