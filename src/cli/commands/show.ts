import { findArch } from "../../arch/index.ts";
import { printable } from "../../base/bytes.ts";
import { jsonPieces } from "../../base/json.ts";
import { chained, longest } from "../../base/lists.ts";
import { fileText } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { machineNames, sectionTypeNames } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { parseKlpSectionObject } from "../../klp/symbols/names.ts";
import type { Call, CallVerdict } from "../../klp/toc/calls.ts";
import { survey } from "../../passes/analysis.ts";
import { read } from "../../passes/input.ts";
import { openFile, type Subject } from "../../passes/open.ts";
import { leftOutProblems } from "../../passes/problems/leftOut.ts";
import { summaryOf } from "../../passes/summary.ts";
import type { Context, OutputStream } from "../context.ts";
import { UsageError, writePieces } from "../files/io.ts";
import { type PartlyReadModule, readModulePartly } from "../files/partlyRead.ts";
import type { showRows } from "../optionRows.ts";
import { readKernel } from "../options.ts";
import type { ValuesOf } from "../optionTable.ts";
import { sayProblems } from "../report.ts";
import { paged } from "../terminal/pager.ts";
import { NamesOfTables } from "./showNames.ts";
import { relocationRows, relocationText } from "./showRelocations.ts";
import { summaryText } from "./showSummary.ts";
import { sectionNameOf, symbolCount, symbolRows, symbolText } from "./showSymbols.ts";

type Options = ValuesOf<typeof showRows>;

type Row = Readonly<Record<string, string | number | null>>;

interface Table {
  readonly title: string;
  /** Gone through several times. */
  readonly rows: Iterable<Row>;
  /** The text form, in pieces, where it is not made of the rows. */
  readonly text?: () => Iterable<string | Uint8Array>;
}

const hexNumber = (value: number | bigint): string => `0x${value.toString(16)}`;

/** `klplink show [module]`: returns the exit status. */
export async function runShow(module: string | undefined, options: Options, context: Context): Promise<number> {
  if (module === undefined) {
    if (options.kernel === undefined) throw new UsageError("give a module, or a kernel with -k");
    const { showKernel } = await import("./showKernel.ts");
    return showKernel(options, context);
  }
  const input = await readModulePartly(module, context);
  try {
    return await showModule(input, options, context);
  } finally {
    input.close();
  }
}

async function showModule(input: PartlyReadModule, options: Options, context: Context): Promise<number> {
  const file = read(input.bytes, input.name, input.apart);
  const all = !(options.sections || options.symbols || options.relocations || options.toc);
  const summary = all ? summaryOf(file, input.name) : null;
  const tables: Record<string, Table> = {};
  const names = new NamesOfTables();
  if (all || options.sections) tables.sections = sectionTable(file);
  if (all || options.symbols) tables.symbols = symbolTable(file, names);
  if (all || options.relocations) tables.relocations = relocationTable(file, names);
  const arch = findArch(file.header.machine);
  let kernel: Kernel | null = null;
  let hasToc = true;
  let subject: Subject | null = null;
  if ((all || options.toc) && arch?.hasToc && file.littleEndian && file.symbols !== null) {
    kernel = options.toc === true ? await readKernel(options, context) : null;
    subject = openFile(file, input.name);
    const { calls, features } = survey(subject, { file: input.name, ...(kernel === null ? {} : { kernel }) });
    tables.calls = callTable(file, calls);
    hasToc = features.has("toc");
  }
  let picture = "";
  if (options.toc === true && !hasToc) {
    picture =
      "\nThe kernel is built without a TOC: no function expects anything in r2, and nothing has to come back.\n";
  } else if (options.toc === true && subject !== null) {
    const { compareStrategies, PICTURE } = await import("./strategies.ts");
    const rows = (await compareStrategies(subject, kernel, options.livepatchStack)).map(
      (row): Row => ({ ...row, strategy: printable(row.strategy), applicable: printable(row.applicable) }),
    );
    tables.strategies = { title: "How r2 can come back", rows };
    picture = `\n${PICTURE}`;
  }
  await sayProblems(leftOutProblems(file, input.name), options.color, context);
  const machine = machineNames.get(file.header.machine) ?? `machine ${file.header.machine}`;
  if (options.format === "json") {
    const document = {
      schema: "klplink-show/1",
      file: input.name,
      machine,
      littleEndian: file.littleEndian,
      signed: file.signature !== null,
      ...(summary === null ? {} : { summary }),
      ...Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, table.rows])),
    };
    await writePieces(context.stdout, chained(jsonPieces(document), ["\n"]));
    return 0;
  }
  const head = `${fileText(input.name)}: ELF64 relocatable, ${machine}, ${file.littleEndian ? "little" : "big"}-endian${file.signature === null ? "" : ", signed"}\n`;
  const first = summary === null ? [head] : [head, summaryText(summary)];
  const text = chained(first, formatTables(Object.values(tables)), [picture]);
  await paged(options.pager, context, (stdout) => writePieces(stdout, fitting(stdout, text)));
  return 0;
}

function sectionTable({ sections }: ElfFile): Table {
  const rows: Row[] = [];
  for (let i = 0; i < sections.count; i++) {
    const name = sections.name(i);
    rows.push({
      index: i,
      name: printable(name),
      type: sectionTypeNames.get(sections.type(i)) ?? hexNumber(sections.type(i)),
      flags: flagLetters(sections.flags(i)),
      size: hexNumber(sections.size(i)),
      align: sections.addralign(i),
      link: sections.link(i),
      info: sections.info(i),
      klpObject: parseKlpSectionObject(name),
    });
  }
  return { title: "Sections", rows };
}

/** readelf's letters, and L for SHF_RELA_LIVEPATCH. */
function flagLetters(flags: bigint): string {
  const letters: readonly (readonly [bigint, string])[] = [
    [0x1n, "W"],
    [0x2n, "A"],
    [0x4n, "X"],
    [0x10n, "M"],
    [0x20n, "S"],
    [0x40n, "I"],
    [0x80n, "l"],
    [0x200n, "G"],
    [0x400n, "T"],
    [0x800n, "C"],
    [0x10_0000n, "L"],
  ];
  return letters.flatMap(([bit, letter]) => ((flags & bit) === 0n ? [] : [letter])).join("");
}

const symbolTable = (file: ElfFile, names: NamesOfTables): Table => ({
  title: "Symbols",
  rows: symbolRows(file),
  ...(symbolCount(file) > 0 ? { text: () => symbolText(file, names) } : {}),
});

const relocationTable = (file: ElfFile, names: NamesOfTables): Table => ({
  title: "Relocations",
  rows: relocationRows(file),
  ...(file.relocations.some((table) => table.count > 0) ? { text: () => relocationText(file, names) } : {}),
});

const verdictTexts: Readonly<Record<CallVerdict, string>> = {
  local: "in the module: branch to the local entry",
  nop: "through a stub: the nop becomes ld r2,24(r1)",
  "no-nop": "through a stub, no nop: the module is refused",
  restored: "through a stub: already ld r2,24(r1); refused before 6.3",
  sibling: "sibling call through a stub: overwrites the caller's TOC",
  exempt: "profiling call: exempt by name",
  helper: "save/restore helper outside the module: must be linked in",
  pcrel: "no TOC on this kernel: nothing to restore",
  "not-a-call": "no relative branch under R_PPC64_REL24",
};

function callTable(file: ElfFile, calls: readonly Call[]): Table {
  return {
    title: calls.some((c) => c.verdict === "pcrel")
      ? "Calls (R_PPC64_REL24, R_PPC64_REL24_NOTOC)"
      : "Calls (R_PPC64_REL24)",
    rows: calls.map((call) => ({
      section: printable(file.sections.name(call.section)),
      offset: hexNumber(call.offset),
      function:
        call.caller === null ? null : `${printable(call.caller.name)}+${hexNumber(call.offset - call.caller.start)}`,
      callee: printable(
        call.callee === "" ? sectionNameOf(file, file.symbols as SymbolTable, call.symbol) : call.callee,
      ),
      verdict: call.verdict,
      meaning: verdictTexts[call.verdict],
    })),
  };
}

type Piece = string | Uint8Array;

/** A terminal gets lines that fit it: of text alone, bytes would go past that. */
function* fitting(stdout: OutputStream, pieces: Iterable<Piece>): Generator<Piece, void, undefined> {
  const isFitted = stdout.isTTY === true;
  for (const piece of pieces) yield isFitted && typeof piece !== "string" ? Buffer.from(piece).toString("utf8") : piece;
}

/** Columns as wide as their longest entry; a column without any entry is left out. */
function* formatTables(tables: readonly Table[]): Generator<Piece, void, undefined> {
  for (const table of tables) {
    yield "\n";
    yield* formatTable(table);
  }
}

function* formatTable({ title, rows: all, text: own }: Table): Generator<Piece, void, undefined> {
  if (own !== undefined) {
    yield `${title}\n`;
    yield* own();
    return;
  }
  const rows = [...all];
  const first = rows[0];
  if (first === undefined) {
    yield `${title}: none\n`;
    return;
  }
  const columns = Object.keys(first)
    .filter((name) => rows.some((row) => row[name] !== null && row[name] !== ""))
    .map((name) => {
      const cells = rows.map((row) => visible(String(row[name] ?? "")));
      const isRight = cells.every((cell) => /^(?:-?0x[0-9a-f]+|\d*)$/.test(cell));
      return { name, cells, isRight, width: Math.max(name.length, longest(cells)) };
    });
  const line = (cellOf: (column: (typeof columns)[number]) => string): string => {
    let text = "";
    for (const column of columns) {
      const { isRight, width } = column;
      text += `${isRight ? cellOf(column).padStart(width) : cellOf(column).padEnd(width)}  `;
    }
    return `  ${text.trimEnd()}`;
  };
  yield `${title}\n${line(({ name }) => name)}\n`;
  for (let row = 0; row < rows.length; row++) yield `${line(({ cells }) => cells[row] ?? "")}\n`;
}
