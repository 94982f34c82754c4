// What `klplink show` begins with: what the file is, before its tables.

import { visible } from "../../base/visible.ts";
import type { Producer } from "../../klp/producers/producer.ts";
import type { Summary } from "../../passes/summary.ts";
import { columns } from "../files/io.ts";

const PRODUCERS: Readonly<Record<Producer, string>> = {
  plain: "no livepatch data yet: undefined symbols are all there is",
  kpatch: "create-diff-object of kpatch; `klplink` finishes it",
  "klp-convert": "annotations for klp-convert; `klplink` finishes it",
  objtool: "`objtool klp diff`; `klplink` finishes it",
  klplink: "`klplink diff`; `klplink` finishes it",
  final: "a finished livepatch module",
};

/** Names that are listed; the tables have all. */
const LISTED = 6;

/** With a comma before each three digits. By hand: the first number that toLocaleString() is asked for takes it 20 ms or more. */
const grouped = (n: number): string =>
  n < 1e21 ? String(n).replace(/\B(?=(?:\d{3})+$)/g, ",") : n.toLocaleString("en-US");
const count = (n: number, what: string): string => `${grouped(n)} ${what}${n === 1 ? "" : "s"}`;

function listed(names: readonly string[]): string {
  const more = names.length - LISTED;
  return `${names.slice(0, LISTED).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

/** Lines with a final newline each. */
export function summaryText(of: Summary): string {
  const { licence, vermagic, depends, producer, replaces, livepatchSymbols } = of;
  const late = of.livepatchRelocations;
  const rows: (readonly [string, string] | null)[] = [
    [of.kind, `${of.module}${licence === null ? "" : `, licence ${licence}`}`],
    vermagic === null ? null : ["built for", vermagic],
    depends.length === 0 ? null : ["needs", listed(depends)],
    of.kind === "module" && producer === "plain" ? null : ["comes from", producerText(producer)],
    ...replaces.map(({ object, functions }) => ["replaces", `${listed(functions)} of ${object}`] as const),
    ...livepatchSymbols.map((o) => ["livepatch", `${count(o.count, "symbol")} of ${o.object}`] as const),
    of.undefined.length === 0 ? null : ["undefined", listed(of.undefined)],
    ["loaded", `${count(of.loaded, "byte")}, ${grouped(of.code)} of them code`],
    [
      "tables",
      `${count(of.sections, "section")}, ${count(of.symbols, "symbol")}, ${count(of.relocations, "relocation")}${late === 0 ? "" : ` (${late} of them livepatch)`}`,
    ],
    ["debug info", `${of.hasDebugInfo ? "yes" : "no"}${of.isSigned ? "; signed" : ""}`],
  ];
  return columns(rows.filter((row) => row !== null).map(([what, text]) => [`  ${what}`, visible(text)]))
    .map((line) => `${line}\n`)
    .join("");
}

const producerText = (producer: Producer | null): string =>
  producer === null ? "several tools: a mixture, which none of them finishes" : PRODUCERS[producer];
