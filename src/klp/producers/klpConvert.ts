// klp-convert's annotations, both dialects. Its symbols keep their index: they are renamed, and their relocations moved.

import { viewOf } from "../../base/bytes.ts";
import { problem } from "../../diag/catalogue.ts";
import type { SymbolHandle } from "../../elf/writer/edits.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { KlpSymbolName } from "../symbols/names.ts";
import type { Finish } from "./intermediate.ts";
import { Pointers } from "./pointers.ts";
import { KLP_CONVERT_SECTION_PREFIX, KLP_CONVERT_SYMBOL_PREFIX } from "./producer.ts";

/** Entries of `.klp.module_relocs.OBJECT` (v1 to v7 of the klp-convert series): packed {symbol u64, position u32}. */
const ENTRY = { size: 12, symbol: 0, position: 8 } as const;

export function finishKlpConvert(finish: Finish, keep: boolean, path: string): void {
  const renamed = new Map<SymbolHandle, KlpSymbolName>();
  const objects = new Map<SymbolHandle, string>();
  readAnnotations(finish, keep, path, renamed, objects);
  readSymbols(finish, path, renamed, objects);
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
    if (!finish.checkObject(object, section, 0)) continue;
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
      if (pointer.addend !== 0n) {
        finish.malformed(section, at, `the annotation names a place ${pointer.addend} bytes from its symbol`);
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

/** The dialect of 2024, and klplink's own form: everything stands in the symbol's name. */
export function readSymbols(
  finish: Finish,
  path: string,
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
    const ending = endingTakenForName(parsed, finish.kernel);
    if (ending !== null) {
      finish.malformed(null, 0, `symbol ${text} reads as ${readingOf(parsed)}; ${ending}`);
      continue;
    }
    const { chosen, isCertain } = chooseReading(parsed, finish.kernel);
    if (!isCertain) {
      const others = parsed.other === null ? [] : [parsed.name, parsed.other].filter((n) => n !== chosen);
      const told = (n: KlpSymbolName): string => `${n.name},${n.position}`;
      const data = { symbol: text, object: chosen.object, taken: told(chosen), others: others.map(told) };
      finish.problems.push(problem("KLP460", { file: path }, data));
    }
    renamed.set(symbol, chosen);
    objects.set(symbol, parsed.patched);
  }
}

/** A name of the 2024 dialect, with its two readings where it has two. */
export interface ConvertSymbol {
  /** The object that the relocations wait for. */
  readonly patched: string;
  /** As the dialect has it; `object` is the one that has the symbol. */
  readonly name: KlpSymbolName;
  /** With the number taken as the end of the name, as in `__func__.12345`; null where a comma stands before the position. */
  readonly other: KlpSymbolName | null;
}

/**
 * `.klp.sym.rela.PATCHED.OWNER.NAME,POSITION` (v1, v2) or `….NAME.POSITION` (v3). Only the latter can be read in two ways.
 */
export function parseConvertSymbol(text: string): ConvertSymbol | null {
  const match = /^\.klp\.sym\.rela\.([^.]+)\.([^.]+)\.([^,]+?)([,.])(\d{1,9})$/.exec(text);
  if (match === null) return null;
  const [, patched = "", object = "", name = "", separator, position = ""] = match;
  const other = separator === "," ? null : { object, name: `${name}.${position}`, position: 0 };
  return { patched, name: { object, name, position: Number(position) }, other };
}

const readingOf = ({ patched, name }: ConvertSymbol): string => `${name.name} of object ${name.object}, for ${patched}`;

/** What a compiler or linker puts behind a dot in a name. */
const SUFFIX = /^(?:\d|isra|part|constprop|cold|llvm|lto_priv|str|warm|rodata)/;

/** `zfs.ko` in place of the object `zfs`: its ending would become the next part. Null if all is well. */
function endingTakenForName({ patched, name }: ConvertSymbol, kernel: Kernel | null): string | null {
  const stem = name.object === "ko" ? patched : name.name.startsWith("ko.") ? name.object : null;
  if (stem === null) return null;
  if (name.object === "ko" ? kernel?.modules.has("ko") === true : SUFFIX.test(name.name.slice(3))) return null;
  if (stem === name.object && (countOf(kernel, name.object, name.name) ?? 0) > 0) return null;
  return `a livepatch names a module without its ending: ${stem}, not ${stem}.ko`;
}

/** The reading that the kernel's symbols allow. Where they allow both, neither, or are not known: the dialect's own. */
function chooseReading(
  { name, other }: ConvertSymbol,
  kernel: Kernel | null,
): { readonly chosen: KlpSymbolName; readonly isCertain: boolean } {
  if (other === null) return { chosen: name, isCertain: true };
  const [first, second] = [name, other].map((n) => countOf(kernel, n.object, n.name));
  if (typeof first !== "number" || typeof second !== "number") return { chosen: name, isCertain: false };
  const fits = [first >= Math.max(1, name.position), second > 0] as const;
  if (fits[0] === fits[1]) return { chosen: name, isCertain: false };
  return { chosen: fits[0] ? name : other, isCertain: true };
}

/** How many symbols of that name an object has; null if that is not known. */
function countOf(kernel: Kernel | null, object: string, name: string): number | null {
  if (object === "vmlinux") return kernel?.hasSymbols === true ? kernel.find(name).length : null;
  return kernel?.modules.get(object)?.find(name).length ?? null;
}
