// What `diff` found of two objects, from the plain data that `--format json` writes: docs/diagnostics.schema.json.

import { html, type Markup } from "./markup.ts";
import { folded, rowsTable } from "./page.ts";

interface SideDocument {
  readonly name: string;
  readonly offset: number;
  readonly bytes: string;
  readonly text: string | null;
  readonly reference: { readonly relocation: string | null; readonly target: string } | null;
  readonly source: { readonly file: string; readonly line: number } | null;
}

interface ChangeDocument {
  readonly name: string;
  readonly status: "same" | "changed" | "new" | "removed";
  readonly difference: {
    readonly what: string;
    readonly detail: string;
    readonly orig: SideDocument | null;
    readonly patched: SideDocument | null;
  } | null;
}

/** What a file's result holds after `diff`. */
interface ChangesDocument {
  readonly orig: string;
  readonly functionalChange: boolean;
  readonly functions: readonly ChangeDocument[];
  readonly data: readonly ChangeDocument[];
  readonly taken?: readonly { readonly name: string; readonly why: string }[];
}

/** Whether a file's result is of two objects that were compared. */
const isChanges = (result: object): result is ChangesDocument =>
  "functions" in result && "data" in result && "functionalChange" in result;

const hex = (value: number): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

function side(sign: string, s: SideDocument | null): Markup {
  if (s === null) return html`<tr><td>${sign}</td><td></td><td>nothing there</td><td></td><td></td></tr>`;
  const reference = s.reference === null ? "" : `${s.reference.relocation ?? ""} ${s.reference.target}`.trim();
  const source = s.source === null ? "" : `${s.source.file}:${s.source.line}`;
  return html`<tr><td>${sign}</td><td>${s.name}+${hex(s.offset)}</td><td>${s.text ?? s.bytes}</td><td>${reference}</td><td>${source}</td></tr>`;
}

function row(kind: string, c: ChangeDocument): Markup {
  const d = c.difference;
  const first =
    d === null
      ? null
      : html`${d.what}${d.detail === "" ? null : `: ${d.detail}`}${
          d.orig === null && d.patched === null
            ? null
            : html`<div class="scroll"><table class="code" aria-label="first difference">${side("−", d.orig)}${side("+", d.patched)}</table></div>`
        }`;
  return html`<tr><td>${c.status}</td><td>${kind}</td><td><code>${c.name}</code></td><td>${first}</td></tr>`;
}

const ORDER = ["changed", "new", "removed"] as const;

/** The changes of one file's result; nothing if it is of another command. */
export function changesOf(result: Readonly<Record<string, unknown>>): Markup[] {
  if (!isChanges(result)) return [];
  const kinds = [
    ["function", result.functions],
    ["data", result.data],
  ] as const;
  const rows = kinds.flatMap(([kind, list]) =>
    ORDER.flatMap((status) => list.filter((c) => c.status === status).map((c) => row(kind, c))),
  );
  const same = kinds.map(([kind, list]) => `${list.filter((c) => c.status === "same").length} ${kind}`);
  const taken = result.taken ?? [];
  return [
    html`<p>compared with ${result.orig}: ${result.functionalChange ? "changed" : "no functional change"}; the same: ${same.join(", ")}</p>`,
    ...(rows.length === 0 ? [] : [rowsTable("changes", ["what", "kind", "name", "first difference"], rows)]),
    ...(taken.length === 0
      ? []
      : [
          folded(
            `${taken.length} items taken into the diff object`,
            rowsTable(
              "taken",
              ["name", "why"],
              taken.map((t) => html`<tr><td><code>${t.name}</code></td><td>${t.why}</td></tr>`),
            ),
          ),
        ]),
  ];
}
