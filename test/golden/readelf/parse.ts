// Reads what `readelf -htsrgW` (GNU binutils 2.40) prints. Names are Latin-1 strings, one character a byte, except that
// readelf writes a control character as two: ^A. Fails loudly on a line that it does not know.

export interface DumpSection {
  readonly index: number;
  readonly name: string;
  readonly type: string;
  readonly addr: bigint;
  readonly offset: number;
  readonly size: number;
  readonly entsize: number;
  readonly link: number;
  readonly info: number;
  readonly addralign: number;
  readonly flags: bigint;
}

export interface DumpSymbol {
  readonly index: number;
  readonly value: bigint;
  readonly size: bigint;
  readonly type: string;
  readonly bind: string;
  readonly visibility: string;
  /** What stands in brackets behind the visibility: "<localentry>: 8", "<other>: e0"; else empty. */
  readonly other: string;
  /** UND, ABS, COM, a section index, or a reserved index as readelf writes it: "OS [0xff20]". */
  readonly section: string;
  readonly name: string;
}

export interface DumpRelocation {
  readonly offset: bigint;
  readonly info: bigint;
  readonly type: string;
  /** Null where readelf prints none: no symbol, or an indirect function. */
  readonly value: bigint | null;
  readonly name: string;
  /** Null for SHT_REL. */
  readonly addend: bigint | null;
}

export interface DumpGroup {
  readonly comdat: boolean;
  readonly section: number;
  readonly signature: string;
  readonly members: readonly { readonly index: number; readonly name: string }[];
}

export interface Dump {
  readonly header: ReadonlyMap<string, string>;
  readonly sections: readonly DumpSection[];
  /** One entry a relocation section, in file order; `at` is its file offset in bytes. */
  readonly relocations: readonly { readonly at: number; readonly rows: readonly DumpRelocation[] }[];
  readonly symbols: readonly DumpSymbol[];
  readonly groups: readonly DumpGroup[];
}

const HEX64 = "([0-9a-f]{16})";
const headerLine = /^ {2}([A-Z][^:]*): +(.*?) *$/;
const sectionNameLine = /^ {2}\[ *(\d+)\] (.*)$/;
const sectionFieldsLine = new RegExp(
  `^ {7}(\\S.*?) +${HEX64} ([0-9a-f]{6,}) ([0-9a-f]{6,}) ([0-9a-f]{2,}) +(\\d+) +(\\d+) +(\\d+)$`,
);
const sectionFlagsLine = new RegExp(`^ {7}\\[${HEX64}\\]: `);
const groupLine = /^(COMDAT )?group section \[ *(\d+)\] `\.group' \[(.*)\] contains (\d+) sections:$/;
const memberLine = /^ {3}\[ *(\d+)\] {3}(.*)$/;
const relocationSectionLine = /^Relocation section '.*' at offset 0x([0-9a-f]+) contains (\d+) entr(?:y|ies):$/;
const relocationLine = new RegExp(`^${HEX64} {2}${HEX64} (R_\\S+) *(.*)$`);
const symbolLine = new RegExp(
  `^ *(\\d+): ${HEX64} +(0x[0-9a-f]+|\\d+) (\\S+) +(\\S+) +(\\S+)(?: +\\[(<[a-z]+>: [0-9a-f]+)\\])? +` +
    "(UND|ABS|COM|\\d+|(?:OS |PRC|RSV)\\[0x[0-9a-f]+\\])(?: (.*))?$",
);
const ignored =
  /^(ELF Header:|There (are|is) (no|\d+) .*|Key to Flags:|No .*| {2}\[Nr\] Name| {7}(Type +Address|Flags).*| {3}Num:.*| {4}Offset.*| {3}\[Index\] +Name| {2}.*\([a-zA-Z]\).*|)$/;

/** The groups of the match of `pattern` in `line`, absent ones as ""; null if there is no match. */
function match(pattern: RegExp, line: string): string[] | null {
  const found = pattern.exec(line);
  return found === null ? null : [...found].slice(1).map((group: string | undefined) => group ?? "");
}

const fromHex = (digits: string): bigint => BigInt(`0x${digits}`);

function parseRelocation(fields: readonly string[]): DumpRelocation {
  const [offset = "", info = "", type = "", rest = ""] = fields;
  const row = { offset: fromHex(offset), info: fromHex(info), type };
  const addendOf = (sign: string, digits: string): bigint => fromHex(digits) * (sign === "-" ? -1n : 1n);
  if (rest === "") return { ...row, value: null, name: "", addend: null };
  const alone = match(/^(-?)([0-9a-f]+)$/, rest);
  if (alone !== null && row.info >> 32n === 0n) {
    return { ...row, value: null, name: "", addend: addendOf(alone[0] ?? "", alone[1] ?? "") };
  }
  // An indirect function's value is printed as its name: "chosen()   chosen + 0".
  const symbol = match(new RegExp(`^(?:${HEX64}|(?:\\S+\\(\\) *)) (.*?)(?: ([+-]) ([0-9a-f]+))?$`), rest);
  if (symbol === null) throw new Error(`unknown relocation: ${rest}`);
  const [value = "", name = "", sign = "", digits = ""] = symbol;
  return {
    ...row,
    value: value === "" ? null : fromHex(value),
    name,
    addend: digits === "" ? null : addendOf(sign, digits),
  };
}

type Part = "header" | "sections" | "groups" | "relocations" | "symbols";

/** What a line that matches `pattern` means, where it stands in `part` of the dump (null: anywhere). */
interface Rule {
  readonly part: Part | null;
  readonly pattern: RegExp;
  readonly take: (...fields: string[]) => unknown;
}

export function parseDump(text: string): Dump {
  const header = new Map<string, string>();
  const sections: DumpSection[] = [];
  const relocations: { at: number; count: number; rows: DumpRelocation[] }[] = [];
  const symbols: DumpSymbol[] = [];
  const groups: { dump: DumpGroup; count: number; members: { index: number; name: string }[] }[] = [];
  let part: Part = "header";
  // A section takes three lines: index and name, fields, flags.
  let sectionHead = { index: 0, name: "" };
  let sectionFields: readonly string[] = [];

  const enter = (next: Part): void => {
    part = next;
  };
  const takeSection = (flags: string): void => {
    const [type = "", addr = "", offset = "", size = "", entsize = "", link, info, addralign] = sectionFields;
    sections.push({
      ...sectionHead,
      type,
      addr: fromHex(addr),
      offset: Number.parseInt(offset, 16),
      size: Number.parseInt(size, 16),
      entsize: Number.parseInt(entsize, 16),
      link: Number(link),
      info: Number(info),
      addralign: Number(addralign),
      flags: fromHex(flags),
    });
  };

  const rules: readonly Rule[] = [
    { part: null, pattern: /^Section Headers:$/, take: () => enter("sections") },
    { part: null, pattern: /^Symbol table '.*' contains \d+ entr(?:y|ies):$/, take: () => enter("symbols") },
    {
      part: null,
      pattern: relocationSectionLine,
      take: (at, count) => {
        enter("relocations");
        relocations.push({ at: Number.parseInt(at ?? "", 16), count: Number(count), rows: [] });
      },
    },
    {
      part: null,
      pattern: groupLine,
      take: (comdat, index, signature = "", count) => {
        enter("groups");
        const members: { index: number; name: string }[] = [];
        const dump = { comdat: comdat !== "", section: Number(index), signature, members };
        groups.push({ dump, count: Number(count), members });
      },
    },
    { part: "header", pattern: headerLine, take: (key = "", value = "") => header.set(key, value) },
    {
      part: "sections",
      pattern: sectionNameLine,
      take: (index, name = "") => {
        sectionHead = { index: Number(index), name };
      },
    },
    {
      part: "sections",
      pattern: sectionFieldsLine,
      take: (...fields) => {
        sectionFields = fields;
      },
    },
    { part: "sections", pattern: sectionFlagsLine, take: (flags = "") => takeSection(flags) },
    // The header inside a compressed section; klplink does not look into it.
    { part: "sections", pattern: /^ {7}(?:ZLIB|ZSTD), /, take: () => {} },
    {
      part: "groups",
      pattern: memberLine,
      take: (index, name = "") => groups.at(-1)?.members.push({ index: Number(index), name }),
    },
    {
      part: "relocations",
      pattern: relocationLine,
      take: (...fields) => relocations.at(-1)?.rows.push(parseRelocation(fields)),
    },
    {
      part: "symbols",
      pattern: symbolLine,
      take: (
        index,
        value = "",
        size = "",
        type = "",
        bind = "",
        visibility = "",
        other = "",
        section = "",
        name = "",
      ) =>
        symbols.push({
          index: Number(index),
          value: fromHex(value),
          size: BigInt(size),
          type,
          bind,
          visibility,
          other,
          section,
          name,
        }),
    },
    { part: null, pattern: ignored, take: () => {} },
  ];

  for (const line of text.split("\n")) {
    const rule = rules.find((r) => (r.part === null || r.part === part) && r.pattern.test(line));
    if (rule === undefined) throw new Error(`readelf printed a line that is not understood: ${JSON.stringify(line)}`);
    rule.take(...(match(rule.pattern, line) ?? []));
  }
  for (const { at, count, rows } of relocations) {
    if (rows.length !== count) throw new Error(`${rows.length} of ${count} relocations understood at ${at}`);
  }
  for (const { dump, count } of groups) {
    if (dump.members.length !== count) throw new Error(`${dump.members.length} of ${count} group members understood`);
  }
  const announced = /^Symbol table '.*' contains (\d+) entr(?:y|ies):$/m.exec(text)?.[1] ?? "0";
  if (symbols.length !== Number(announced)) throw new Error(`${symbols.length} of ${announced} symbols understood`);
  return {
    header,
    sections,
    relocations: relocations.map(({ at, rows }) => ({ at, rows })),
    symbols,
    groups: groups.map(({ dump }) => dump),
  };
}
