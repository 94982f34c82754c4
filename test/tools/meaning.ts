// What relocations of an object mean, told by names and content alone; from the tables of the file, nothing else.

import { type ElfFile, readElf } from "../../src/elf/reader.ts";

export interface Reading {
  readonly file: ElfFile;
  /** Names of code and data in a section, by offset. */
  readonly names: ReadonlyMap<number, readonly { readonly name: string; readonly at: number; readonly size: number }[]>;
}

export function reading(bytes: Uint8Array): Reading {
  const file = readElf(bytes);
  const names = new Map<number, { name: string; at: number; size: number }[]>();
  const { symbols } = file;
  for (let i = 1; i < (symbols?.count ?? 0); i++) {
    const section = symbols?.sectionOf(i) ?? null;
    const type = symbols?.type(i) ?? 0;
    if (symbols === null || section === null || (type !== 1 && type !== 2)) continue;
    const list = names.get(section) ?? [];
    list.push({ name: symbols.name(i), at: symbols.offset(i), size: symbols.size(i) });
    names.set(section, list);
  }
  return { file, names };
}

/** A name without what diff writes around it. */
export const plainName = (name: string): string => /^\.klp\.sym\.rela\.[^.]+\.[^.]+\.(.+),\d+$/.exec(name)?.[1] ?? name;

/**
 * What the bytes of a function are made of: each relocation from its start on with its type and meaning.
 * @param toEnd bytes that relative addends are short of, by type
 */
export function meaningsOf(r: Reading, name: string, toEnd: (type: number) => number): string[] | null {
  for (const [section, list] of r.names) {
    const found = list.find((f) => f.name === name);
    if (found === undefined) continue;
    return r.file.relocations
      .filter((t) => t.target === section)
      .flatMap((t) => [...Array(t.count).keys()].map((row) => ({ t, row })))
      .map(({ t, row }) => {
        const at = t.offset(row) - found.at;
        return {
          at,
          text: `${at} ${t.type(row)} ${meaning(r, t.symbol(row), Number(t.addend(row)), toEnd(t.type(row)), 0)}`,
        };
      })
      .filter(({ at }) => at >= -16 && at < found.size)
      .sort((a, b) => a.at - b.at)
      .map(({ text }) => text);
  }
  return null;
}

function meaning(r: Reading, symbol: number, addend: number, toEnd: number, depth: number): string {
  const { file, names } = r;
  const { symbols, sections } = file;
  if (symbols === null || symbol === 0) return `=${addend}`;
  const section = symbols.sectionOf(symbol);
  if (section === null) return `${plainName(symbols.name(symbol))}${plus(addend + toEnd)}`;
  const at = symbols.offset(symbol) + addend + toEnd;
  const name = sections.name(section);
  if (name === ".toc") {
    const rowIn = (t: (typeof file.relocations)[number]): number =>
      [...Array(t.count).keys()].findIndex((i) => t.offset(i) === at);
    const table = file.relocations.find((t) => t.target === section && rowIn(t) >= 0);
    const row = table === undefined ? -1 : rowIn(table);
    if (table === undefined) return `toc ${hexOf(sections.data(section).subarray(at, at + 8))}`;
    return `toc ${meaning(r, table.symbol(row), Number(table.addend(row)), 0, depth)}`;
  }
  const own = (names.get(section) ?? []).filter(
    (n) => n.at <= Math.max(at, 0) || (names.get(section) ?? []).length === 1,
  );
  const nearest = own.sort((a, b) => b.at - a.at)[0];
  if (nearest !== undefined && !/^(?:__func__|__already_done|CSWTCH)/.test(nearest.name))
    return `${nearest.name}${plus(at - nearest.at)}`;
  if (sections.hasFlags(section, 0x30)) {
    const data = sections.data(section);
    const start = symbols.type(symbol) === 3 ? at : symbols.offset(symbol);
    return `"${Buffer.from(data.subarray(start, data.indexOf(0, start))).toString("latin1")}"${plus(at - start)}`;
  }
  if (depth > 2) return name;
  // Data without a name: its bytes, and what is in them.
  const inside = file.relocations
    .filter((t) => t.target === section)
    .flatMap((t) =>
      [...Array(t.count).keys()].map(
        (row) => `${t.offset(row)} ${meaning(r, t.symbol(row), Number(t.addend(row)), 0, depth + 1)}`,
      ),
    );
  return `{${hexOf(sections.data(section))} ${inside.join(" ")}}${plus(at - (nearest?.at ?? 0))}`;
}

const plus = (n: number): string => (n === 0 ? "" : `${n > 0 ? "+" : ""}${n}`);
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
