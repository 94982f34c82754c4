import { hex, printable } from "../../base/bytes.ts";
import { append } from "../../base/lists.ts";
import { fileText } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { type SiteAddress, SiteBytesError, siteBytes } from "../../ftrace/bytes.ts";
import type { CodeFile, CodePlace } from "../../ftrace/codeFile.ts";
import { forms } from "../../ftrace/forms.ts";
import {
  type Disagreement,
  type FunctionSite,
  findRecord,
  reasons,
  type SiteReport,
  siteSize,
} from "../../ftrace/sites.ts";
import { leftOutProblems } from "../../passes/problems/leftOut.ts";
import { sites, withDebugInfo } from "../../passes/sites.ts";
import type { Context } from "../context.ts";
import { columns, readUnpacked, UsageError, write, writePieces } from "../files/io.ts";
import type { sitesRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";
import { sayProblems } from "../report.ts";

type Options = ValuesOf<typeof sitesRows>;

/** `klplink sites <file>`: returns the exit status. */
export async function runSites(path: string, options: Options, context: Context): Promise<number> {
  if (options.as === undefined && options.target !== undefined) throw new UsageError("--target goes with --as call");
  if (options.as === "call" && options.target === undefined) {
    throw new UsageError("--as call needs --target: the address that the sites are to call");
  }
  const input = await readUnpacked(path, context);
  if (options.kernel !== undefined || options.module !== undefined) {
    if (options.as !== undefined || options.function !== undefined)
      throw new UsageError("-k and -m ask what a livepatch module patches: without --as and --function");
    const { runPatched } = await import("./patched.ts");
    return await runPatched(input, options, context);
  }
  const { sites: found, debug } = await withDebugInfo(sites(input.bytes, input.name));
  const { file, report } = found;
  await sayProblems(leftOutProblems(file, input.name), options.color, context);
  const chosen = choose(report, options.function);
  const view: View = { file, report, chosen, options, inlined: debug?.inlinedEverywhere ?? null };
  if (options.format === "html") {
    const { renderSites } = await import("../../diag/render/html/sites.ts");
    const pieces = renderSites(context.version, sitesDocument(view, input.name), summary(file, report));
    await writePieces(context.stdout, pieces);
  } else if (options.format === "json")
    await write(context.stdout, `${JSON.stringify(sitesDocument(view, input.name), null, 2)}\n`);
  else await write(context.stdout, plain(view, input.name));
  const isMissing =
    options.function !== undefined && (chosen.missing.length > 0 || chosen.functions.some((f) => f.reason !== null));
  return isMissing || report.disagreements.some((d) => d.kind !== "overridden") ? 1 : 0;
}

interface View {
  readonly file: CodeFile;
  readonly report: SiteReport;
  readonly chosen: Chosen;
  readonly options: Options;
  /** Names of functions of which only inlined code is left; null if the file does not tell. */
  readonly inlined: ReadonlySet<string> | null;
}

interface Chosen {
  readonly functions: readonly FunctionSite[];
  /** Names that no function has. */
  readonly missing: readonly string[];
}

function choose(report: SiteReport, names: readonly string[] | undefined): Chosen {
  if (names === undefined) return { functions: report.functions, missing: [] };
  const functions = report.functions.filter((s) => names.some((n) => isNamed(s, n)));
  return { functions, missing: names.filter((n) => !functions.some((s) => isNamed(s, n))) };
}

const isNamed = (s: FunctionSite, name: string): boolean =>
  s.function.name === name || s.function.aliases.includes(name);

/** What the kernel says when a livepatch wants a function that has no site (kernel/livepatch/patch.c). */
const refusal = (name: string): string => `livepatch: failed to find location for function '${name}'`;

function placeText({ file }: View, section: number, offset: number): string {
  const name = `${printable(file.sections.name(section))}+${hex(offset)}`;
  return file.isLinked ? file.addressOf(section, offset).toString(16).padStart(16, "0") : name;
}

interface Shown {
  /** What is written, by offset in the section; one part, or with --ops two. */
  readonly writes: readonly { readonly offset: number; readonly hex: string }[];
  readonly problem: string | null;
}

/** Bytes as they stand at a site: the instruction, or with --as those of that state. */
function bytesAt(view: View, s: FunctionSite): Shown {
  const { file, options } = view;
  const site = s.entry?.site ?? s.function.start;
  const size = siteSize(file);
  const section = s.function.section;
  const show = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  if (options.as === undefined || s.entry === null || s.record === null) {
    return { writes: [{ offset: site, hex: show(file.bytes(section).subarray(site, site + size)) }], problem: null };
  }
  try {
    const at = addressFor(view, { section, offset: site });
    const writes = siteBytes(file.arch, s.entry, options.as, at, options.kernelVersion ?? null);
    return { writes: writes.map((w) => ({ offset: site + w.offset, hex: show(w.bytes) })), problem: null };
  } catch (error) {
    if (!(error instanceof SiteBytesError)) throw error;
    return { writes: [], problem: error.message };
  }
}

/** `e8 d7 0f 00 00`; of several parts each with its distance from the site. */
function bytesText({ writes, problem }: Shown, site: number): string {
  if (problem !== null) return problem;
  const spaced = (hex: string): string => (hex.match(/../g) ?? []).join(" ");
  if (writes.length === 1) return spaced(writes[0]?.hex ?? "");
  return writes.map((w) => `[${w.offset - site}] ${spaced(w.hex)}`).join("  ");
}

function addressFor({ file, options }: View, { section, offset }: CodePlace): SiteAddress | null {
  if (options.target === undefined && options.ops === undefined) return null;
  const given = options.section?.get(file.sections.name(section));
  if (given === undefined && !file.isLinked) return null;
  return { site: (given ?? file.sections.addr(section)) + BigInt(offset), target: options.target, ops: options.ops };
}

function plain(view: View, name: string): string {
  const { file, report, chosen, options } = view;
  const lines: string[] = [];
  const usable = chosen.functions.filter((s) => s.reason === null);
  const without = chosen.functions.filter((s) => s.reason !== null);
  const rows = usable.map((s) => {
    const site = s.entry?.site ?? s.function.start;
    const shown = bytesAt(view, s);
    return [
      placeText(view, s.function.section, shown.writes.at(-1)?.offset ?? site),
      s.entry?.form ?? "",
      bytesText(shown, site),
      printable(s.function.name) + (s.isInit ? "  (init: gone once loaded)" : ""),
    ];
  });
  if (options.quiet !== true || options.function !== undefined) {
    if (rows.length > 0)
      append(lines, [
        ...columns([["place", "form", options.as === undefined ? "bytes" : `as ${options.as}`, "function"], ...rows]),
        "",
      ]);
    if (without.length > 0) {
      lines.push("Without a usable site:");
      append(
        lines,
        columns(
          without.map((s) => [
            "",
            printable(s.function.name),
            placeText(view, s.function.section, s.function.start),
            whyText(view, s),
          ]),
        ),
      );
      lines.push("");
    }
    for (const n of chosen.missing) {
      lines.push(
        `${printable(n)}: ${missingText(view, n)}`,
        `  kernel: livepatch: symbol '${printable(n)}' not found in symbol table`,
        "",
      );
    }
  }
  const told = disagreementLines(view);
  append(lines, told);
  if (told.length > 0) lines.push("");
  lines.push(`${fileText(name)}: ${summary(file, report)}`);
  return `${lines
    .flatMap((l) => l.split("\n"))
    .map(visible)
    .join("\n")}\n`;
}

/** Why there is no function of a name. */
function missingText({ inlined }: View, name: string): string {
  if (inlined === null) return "no function of that name: inlined everywhere, or optimised away";
  return inlined.has(name) ? "inlined everywhere: no code of its own is left" : "no function of that name in this file";
}

function whyText({ file, report, options }: View, s: FunctionSite): string {
  const form = s.entry === null ? "" : `${s.entry.form}: `;
  const text = `${form}${s.reason === null ? "" : reasons[s.reason]}`;
  if (options.function === undefined) return text;
  const found = findRecord(file, report, s.function);
  // The kernel is content with any record up to the next symbol, even one that stays disabled.
  if (found !== null)
    return `${text}; the kernel would take the record at ${placeText({ file, report, options } as View, found.section, found.offset)} for it`;
  return `${text}\n    kernel: ${refusal(s.function.name)}`;
}

/** The disagreements about the chosen functions. Overridden code is common in vmlinux and harmless: a line for all of it. */
function disagreementLines(view: View): string[] {
  const { report, chosen, options } = view;
  const names = new Set(chosen.functions.map((s) => s.function));
  const isChosen = (d: Disagreement): boolean => {
    if (options.function === undefined) return true;
    const about = d.kind === "no record" ? d.function : "near" in d ? d.near : null;
    return about !== null && names.has(about);
  };
  const wanted = report.disagreements.filter(isChosen);
  const overridden = wanted.filter((d) => d.kind === "overridden");
  const isShort = overridden.length > 5 && options.verbose !== true;
  const lines = wanted.filter((d) => !isShort || d.kind !== "overridden").map((d) => disagreementText(view, d));
  if (isShort)
    lines.push(
      `${overridden.length} entries name code of overridden weak functions, which nothing calls (-v lists them)`,
    );
  return lines;
}

function disagreementText(view: View, d: Disagreement): string {
  const entry = (index: number, table: string): string => `${table}[${index}]`;
  switch (d.kind) {
    case "nowhere":
      return `${entry(d.record.index, d.record.table)} names no place in this file`;
    case "twice":
      return `${entry(d.record.index, d.record.table)} names ${placeText(view, d.place.section, d.place.offset)} a second time`;
    case "no site": {
      const near = d.near === null ? "" : `, in ${printable(d.near.name)}+${hex(d.place.offset - d.near.start)}`;
      return `${entry(d.record.index, d.record.table)} names ${placeText(view, d.place.section, d.place.offset)}${near}: there is no site`;
    }
    case "before": {
      const { section, offset } = d.record.place ?? d.place;
      return `${entry(d.record.index, d.record.table)} names ${placeText(view, section, offset)}, nops in front of ${printable(d.near.name)}: there is no site`;
    }
    case "overridden":
      return `${entry(d.record.index, d.record.table)} names ${placeText(view, d.place.section, d.place.offset)}, behind ${printable(d.near.name)}: code of an overridden weak function, which nothing calls`;
    case "no record":
      return `${printable(d.function.name)} has a site at ${placeText(view, d.function.section, d.entry.site)} (${forms[d.entry.form].title}) that no table names`;
  }
}

function summary(file: CodeFile, report: SiteReport): string {
  const { tables, functions, disagreements } = report;
  const usable = functions.filter((s) => s.reason === null).length;
  const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;
  const table =
    tables.names.length === 0
      ? "no table of sites"
      : `${tables.names.join(", ")} with ${count(tables.entries.length, "entry").replace("entrys", "entries")}${tables.isSorted ? "" : " (unsorted)"}`;
  const odd = disagreements.length === 0 ? "" : `, ${count(disagreements.length, "disagreement")}`;
  return `${file.arch}, ${table}; ${count(usable, "function")} with a usable site, ${functions.length - usable} without${odd}`;
}

function sitesDocument(view: View, name: string) {
  const { file, report, chosen } = view;
  const placeOf = (section: number, offset: number) => ({
    section: file.sections.name(section),
    offset,
    address: file.isLinked ? hex(file.addressOf(section, offset)) : null,
  });
  return {
    schema: "klplink-sites/1",
    file: name,
    arch: file.arch,
    tables: report.tables.names,
    entries: report.tables.entries.length,
    records: report.records.length,
    sorted: report.tables.isSorted,
    functions: chosen.functions.map((s) => {
      const { writes, problem } = s.entry === null ? { writes: [], problem: null } : bytesAt(view, s);
      const parts = writes.map((w) => ({ offset: w.offset - (s.entry?.site ?? 0), hex: w.hex }));
      const found = findRecord(file, report, s.function);
      return {
        name: s.function.name,
        aliases: s.function.aliases,
        ...placeOf(s.function.section, s.function.start),
        form: s.entry?.form ?? null,
        site: s.entry === null ? null : placeOf(s.function.section, s.entry.site),
        // The last part is the site's own; in front of it may be the pointer of --ops.
        bytes: parts.at(-1) ?? null,
        writes: parts,
        problem,
        usable: s.reason === null,
        reason: s.reason === null ? null : reasons[s.reason],
        init: s.isInit,
        kernelFinds: found === null ? null : placeOf(found.section, found.offset),
      };
    }),
    missing: chosen.missing,
    missingReasons: Object.fromEntries(chosen.missing.map((n) => [n, missingText(view, n)])),
    disagreements: report.disagreements.map((d) => ({
      kind: d.kind,
      text: disagreementText(view, d),
      place: "place" in d ? placeOf(d.place.section, d.place.offset) : null,
      near: "near" in d ? (d.near?.name ?? null) : null,
    })),
  };
}
