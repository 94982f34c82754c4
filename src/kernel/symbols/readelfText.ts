// The symbol table of a linked file as `readelf --symbols --wide` writes it, which kpatch-build gives to create-diff-object.

import { latin1 } from "../../base/bytes.ts";
import { SymbolListError } from "./parseSymbols.ts";

/** A line of the table. */
export interface ReadelfSymbol {
  readonly value: bigint;
  readonly size: bigint;
  /** FUNC, OBJECT, NOTYPE, SECTION, FILE, … */
  readonly type: string;
  /** LOCAL, GLOBAL, WEAK, … */
  readonly bind: string;
  /** Number of a section, UND, ABS, … */
  readonly section: string;
  readonly name: string;
}

const LINE =
  /^\s*\d+:\s+([0-9a-f]{1,16})\s+(0x[0-9a-f]{1,16}|\d{1,19})\s+(\w+)\s+(\w+)\s+\w+\s+(?:\[[^\]]*\]\s+)?(\w+)(?:\s+(.*))?$/;

/** Lines of `.symtab`, in its order. @throws SymbolListError where there is none, or one of another form */
export function parseReadelf(bytes: Uint8Array): ReadelfSymbol[] {
  const found: ReadelfSymbol[] = [];
  let isWanted = true;
  const lines = latin1(bytes).split("\n");
  for (const [i, line] of lines.entries()) {
    const table = /^Symbol table '(.*)'/.exec(line);
    if (table !== null) isWanted = table[1] === ".symtab";
    if (!isWanted || !/^\s*\d+:/.test(line)) continue;
    const match = LINE.exec(line.trimEnd());
    if (match === null) throw new SymbolListError(i + 1, "expected a symbol as `readelf --symbols --wide` writes it");
    const [, value = "0", size = "0", type = "", bind = "", section = "", name = ""] = match;
    found.push({ value: BigInt(`0x${value}`), size: BigInt(size), type, bind, section, name: nameOf(name) });
  }
  if (found.length === 0) throw new SymbolListError(1, "no line of a symbol table (`readelf --symbols --wide`)");
  return found;
}

/** What readelf writes of the symbol itself may stand behind the number of the section, too. */
const nameOf = (text: string): string => text.replace(/^\[[^\]]*\]\s+/, "");

/** Numbers of the sections that functions are in. */
export function codeSections(symbols: readonly ReadelfSymbol[]): ReadonlySet<string> {
  return new Set(symbols.flatMap((s) => (s.type === "FUNC" && /^\d+$/.test(s.section) ? [s.section] : [])));
}
