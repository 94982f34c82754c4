// ftrace_module_init: the list of sites is sorted, and the calls to the profiler are taken out. What a site becomes is
// told by ftrace/bytes.ts, where it is by the search for sites in the file.

import { ppcBranch, SiteBytesError, siteBytes } from "../ftrace/bytes.ts";
import { CodeFile } from "../ftrace/codeFile.ts";
import { type FunctionEntry, placeKey } from "../ftrace/forms.ts";
import { type FunctionSite, findSites } from "../ftrace/sites.ts";
import { OUT_OF_LINE_SIZE } from "../stubs/ppc64leStubs.ts";
import type { RewriteFacts } from "./facts.ts";
import type { ImageSection, LoadedMemory } from "./memory.ts";

const TRACED = "ftrace site: tracing or a livepatch may be active";
const PERHAPS =
  "ftrace site: a livepatch or tracing may be in force (--patched-by FILE, or --patched-by none if nothing was)";
const PATCHED = "ftrace site: what the call of a livepatched function goes to";
const OTHER = "ftrace site of another form";

export function ftraceSites(memory: LoadedMemory, facts: RewriteFacts): void {
  const { arch, file, version, running } = facts;
  for (const name of arch.siteTables) sortSites(memory, memory.table(name));
  const code = new CodeFile(file, arch.name);
  const { functions, records } = findSites(code, arch.sites);
  const byIndex = new Map(memory.sections.map((s) => [s.index, s]));
  const entries = new Map<string, FunctionEntry>();
  for (const f of functions) {
    if (f.entry !== null && f.record !== null) entries.set(placeKey(f.function.section, f.entry.site), f.entry);
  }
  const sites: bigint[] = [];
  /** Sites of functions that are patched, or may be. */
  const perhaps = new Set<bigint>();
  const patched = patchedPlaces(facts, functions);
  for (const { section: index, offset: place, named } of records) {
    const section = byIndex.get(index);
    if (section === undefined) continue;
    const found =
      entries.get(placeKey(index, place)) ??
      arch.sites.elsewhere(code, { section: index, offset: place }, named, section.bytes);
    // With out-of-line halves a site is one nop; the nop behind it, if there is one, is the function's own.
    const isOneNop = facts.outOfLine !== null && found?.form === "ppc patchable";
    const offset = isOneNop ? place - 4 : place;
    const entry = isOneNop ? { ...found, form: "out of line" as const, site: offset } : found;
    const site = section.address + BigInt(offset);
    sites.push(site);
    if (entry === null) {
      memory.mark(site - 8n, 16, OTHER);
      continue;
    }
    try {
      for (const { offset: from, bytes } of siteBytes(arch.name, entry, "nop", null, version)) {
        write(section, offset + from, bytes);
        const branch = arch.sites.callOffset(entry.form, bytes.length);
        const address = site + BigInt(from + branch);
        if (patched.has(placeKey(index, place))) called(memory, arch.sites.callOpcode, address, bytes.length - branch);
        else if (running) memory.mark(site + BigInt(from), bytes.length, TRACED);
        else if (facts.patched === null) memory.mark(address, bytes.length - branch, PERHAPS);
      }
    } catch (error) {
      if (!(error instanceof SiteBytesError)) throw error;
      memory.mark(site - 8n, 16, OTHER);
    }
    const isPatched = facts.patched === null || patched.has(placeKey(index, place));
    if (entry.form === "patchable before")
      operations(memory, facts, section.address + BigInt(entry.tableEntry), isPatched);
    if (isPatched) perhaps.add(site);
  }
  outOfLineStubs(memory, facts, sites, perhaps);
}

/** Records of the functions that livepatches in force patch, as {@link placeKey}. */
function patchedPlaces({ file, patched, refused }: RewriteFacts, functions: readonly FunctionSite[]): Set<string> {
  const places = new Set<string>();
  const { symbols } = file;
  if (patched === null || symbols === null) return places;
  for (const { name, position } of patched) {
    const starts: string[] = [];
    for (let i = 1; i < symbols.count; i++) {
      const section = symbols.sectionOf(i);
      if (section !== null && symbols.name(i) === name) starts.push(placeKey(section, symbols.offset(i)));
    }
    const start = position === 0 && starts.length > 1 ? undefined : starts[Math.max(0, position - 1)];
    const found = functions.find((f) => placeKey(f.function.section, f.function.start) === start);
    if (found?.entry == null || found.record === null) refused({ kind: "no site", name });
    else places.add(placeKey(found.function.section, found.entry.site));
  }
  return places;
}

/** An enabled site: a call, of which the target is not known (on x86_64 it is allocated). */
function called(memory: LoadedMemory, opcode: number | null, address: bigint, size: number): void {
  const first = opcode === null ? null : memory.at(address, 1);
  if (first !== null && opcode !== null) first[0] = opcode;
  const known = first === null ? 0 : 1;
  memory.mark(address + BigInt(known), size - known, PATCHED);
}

/** ppc64le: what a site branches to when it is enabled: mflr r0; bl ftrace_caller; mtlr r0; b site+4. By address. */
function outOfLineStubs(
  memory: LoadedMemory,
  facts: RewriteFacts,
  sites: readonly bigint[],
  perhaps: ReadonlySet<bigint>,
): void {
  const { outOfLine, running } = facts;
  if (outOfLine === null) return;
  for (const [i, site] of [...sites].sort((a, b) => (a < b ? -1 : 1)).entries()) {
    const address = outOfLine.start + BigInt(i * OUT_OF_LINE_SIZE);
    const bytes = memory.at(address, OUT_OF_LINE_SIZE);
    if (bytes === null) continue;
    operations(memory, facts, address, perhaps.has(site));
    const code = memory.view(bytes);
    try {
      code.setUint32(8, 0x7c08_02a6); // mflr r0
      code.setUint32(12, ppcBranch(address + 12n, outOfLine.tramp, true));
      code.setUint32(16, 0x7c08_03a6); // mtlr r0
      code.setUint32(20, ppcBranch(address + 20n, site + 4n, false));
    } catch (error) {
      if (!(error instanceof SiteBytesError)) throw error;
      memory.mark(address, OUT_OF_LINE_SIZE, OTHER);
    }
    if (running) memory.mark(address + 12n, 4, TRACED);
  }
}

/** The pointer to the operations of a site: on arm64 in nops before the function. */
function operations(
  memory: LoadedMemory,
  { kernelSymbol, running }: RewriteFacts,
  address: bigint,
  isPatched: boolean,
): void {
  const bytes = memory.at(address, 8);
  const none = kernelSymbol("ftrace_nop_ops");
  if (bytes !== null && none !== null) memory.view(bytes).setBigUint64(0, none);
  if (running || none === null || isPatched) memory.mark(address, 8, "pointer to the ftrace operations of this site");
}

function write(section: ImageSection, at: number, bytes: Uint8Array): void {
  if (at >= 0 && at + bytes.length <= section.bytes.length) section.bytes.set(bytes, at);
}

function sortSites(memory: LoadedMemory, table: ImageSection | null): void {
  if (table === null) return;
  const count = Math.floor(table.bytes.length / 8);
  const view = memory.view(table.bytes);
  const sites = BigUint64Array.from({ length: count }, (_, i) => view.getBigUint64(i * 8)).sort();
  for (const [i, site] of sites.entries()) view.setBigUint64(i * 8, site);
}
