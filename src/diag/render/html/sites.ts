// The pages of `sites`: where functions can be patched, and whether those that a livepatch replaces can be.

import { html, type Markup } from "./markup.ts";
import { folded, page, rowsTable } from "./page.ts";

interface SitePlace {
  readonly section: string;
  readonly offset: number;
  readonly address: string | null;
}

/** What of a file's sites a page shows, as `--format json` writes them. */
export interface SitesDocument {
  readonly file: string;
  readonly arch: string;
  readonly functions: readonly {
    readonly name: string;
    readonly section: string;
    readonly offset: number;
    readonly address: string | null;
    readonly form: string | null;
    readonly site: SitePlace | null;
    readonly bytes: { readonly hex: string } | null;
    readonly problem: string | null;
    readonly usable: boolean;
    readonly reason: string | null;
    readonly init: boolean;
  }[];
  readonly missing: readonly string[];
  readonly missingReasons: Readonly<Record<string, string>>;
  readonly disagreements: readonly { readonly kind: string; readonly text: string }[];
}

/** @param summary what it comes to, in a line */
export const renderSites = (version: string, document: SitesDocument, summary: string): Iterable<string> =>
  page(`klplink sites: ${document.file}`, html`${summary}`, sitesBody(document), version);

const placeText = (p: SitePlace): string => p.address ?? `${p.section}+0x${p.offset.toString(16)}`;

function* sitesBody({ functions, missing, missingReasons, disagreements }: SitesDocument): Generator<Markup> {
  const without = functions.filter((f) => !f.usable);
  if (missing.length > 0) {
    const rows = missing.map(
      (name) => html`<tr><td><code>${name}</code></td><td>${missingReasons[name] ?? ""}</td></tr>`,
    );
    yield html`<section><h2>Not in the file</h2>${rowsTable("not in the file", ["function", "why"], rows)}</section>`;
  }
  if (disagreements.length > 0)
    yield html`<section><h2>What tables and code disagree on</h2><ul>${disagreements.map((d) => html`<li>${d.text}</li>`)}</ul></section>`;
  if (without.length > 0) {
    const rows = without.map(
      (f) =>
        html`<tr><td><code>${f.name}</code></td><td class="code">${placeText(f)}</td><td>${f.form}</td><td>${f.reason}</td></tr>`,
    );
    const table = rowsTable("without a usable site", ["function", "place", "form", "why"], rows);
    yield html`<section><h2>Without a usable site</h2>${rows.length > MANY ? folded(`${rows.length} functions`, table) : table}</section>`;
  }
  const usable = functions.filter((f) => f.usable);
  if (usable.length === 0) return;
  const rows = usable.map(
    (f) =>
      html`<tr><td><code>${f.name}</code>${f.init ? " (init: gone once loaded)" : ""}</td><td class="code">${placeText(f.site ?? f)}</td><td>${f.form}</td><td class="code">${f.bytes === null ? f.problem : (f.bytes.hex.match(/../g) ?? []).join(" ")}</td></tr>`,
  );
  const table = rowsTable("with a usable site", ["function", "site", "form", "bytes"], rows);
  yield html`<section><h2>With a usable site</h2>${rows.length > MANY ? folded(`${rows.length} functions`, table) : table}</section>`;
}

/** More rows than this are folded. */
const MANY = 300;

/** What of the functions that a livepatch replaces a page shows. */
export interface PatchedDocument {
  readonly file: string;
  readonly patched: readonly {
    readonly object: string;
    readonly name: string;
    readonly position: number;
    readonly verdict: string;
    readonly why: string | null;
    readonly kernel: string | null;
    readonly site: string;
  }[];
}

const VERDICTS: Readonly<Record<string, string>> = { patchable: "good", refused: "bad", "no effect": "bad" };

/** @param summary what it comes to, in a line */
export function renderPatched(version: string, { file, patched }: PatchedDocument, summary: string): Iterable<string> {
  const rows = patched.map(
    (p) =>
      html`<tr><td class="${VERDICTS[p.verdict] ?? "odd"}">${p.verdict}</td><td>${p.object}</td><td><code>${p.position === 0 ? p.name : `${p.name},${p.position}`}</code></td><td class="code">${p.site}</td><td>${p.why}${p.kernel === null ? null : html`<pre>${p.kernel}</pre>`}</td></tr>`,
  );
  const table = rowsTable(
    "patched functions",
    ["verdict", "object", "function", "site", "why, and the kernel's words"],
    rows,
  );
  return page(`klplink sites: ${file}`, html`${summary}`, [table], version);
}
