// The generic loader's checks of a finished module (kernel/module/main.c, version.c): vermagic, licence, namespaces, checksums,
// duplicate exports, struct module.

import { latin1, printable, viewOf } from "../../base/bytes.ts";
import { append } from "../../base/lists.ts";
import { LOADING } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { SHN_UNDEF, STB_WEAK } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { Kernel } from "../kernel.ts";
import { type Export, isGranted } from "../symbols/exports.ts";
import { type KernelVersion, parseKernelVersion } from "../version.ts";
import { hasFact } from "../versionFacts.ts";
import { isFinishedModule } from "./formRules.ts";
import { InheritedTaint, isGplCompatible } from "./licences.ts";
import type { ModInfo } from "./modinfo.ts";
import { type ModuleFile, readThisModule } from "./moduleFile.ts";

export interface ModuleContext {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly modInfo: ModInfo;
  readonly module: string;
  readonly kernel: Kernel | null;
  readonly version: KernelVersion | null;
  /** Whether --kernel-version says the version: then that counts, and not the kernel's own. */
  readonly isVersionGiven: boolean;
  /** A module that was built for the target kernel. */
  readonly reference: ModuleFile | null;
  /** Name of the file for messages. */
  readonly path: string;
}

/** Order among what the loader meets: exports of others are looked at after symbols (0) and relocations (1). */

/** What a kernel would refuse in a module's metadata. Only what the files that were given tell is looked at. */
export function checkModule(context: ModuleContext): Problem[] {
  return [
    ...checkThisModule(context),
    ...checkVermagic(context),
    ...checkLivepatchSupport(context),
    ...checkImports(context),
    ...checkExports(context),
    ...checkTables(context),
  ];
}

const modinfoPlace = ({ path }: ModuleContext): Place => ({ file: path, section: ".modinfo", offset: 0 });

function checkVermagic(context: ModuleContext): Problem[] {
  const { kernel, modInfo, file, module, reference } = context;
  const own = modInfo.get("vermagic");
  if (own === null) {
    // What .modinfo lacks before modpost is not a fault. Not in the loader's order: that depends on the kernel's configuration.
    return isFinishedModule(file, context.path) ? [problem("KLP511", modinfoPlace(context), { module })] : [];
  }
  // With checksums the release need not be the same: they tell more.
  const hasCrcs = file.sections.findByName("__versions") !== null;
  const tail = (text: string): string => text.slice(Math.max(0, text.indexOf(" ")));
  const same = (a: string, b: string): boolean => (hasCrcs ? tail(a) === tail(b) : a === b);
  const more = { loadOrder: LOADING.vermagic };
  // The kernel's own word comes first; a module that was built for it repeats it.
  const wanted = kernel?.vermagic ?? reference?.modInfo?.get("vermagic") ?? null;
  if (wanted !== null) {
    if (same(own, wanted)) return [];
    return [problem("KLP502", modinfoPlace(context), { module, own, kernel: wanted }, more)];
  }
  if (kernel === null) return [];
  const release = own.split(" ")[0] ?? "";
  if (kernel.release === null || hasCrcs || release === kernel.release) return [];
  return [problem("KLP502", modinfoPlace(context), { module, own, kernel: `${kernel.release}${tail(own)}` }, more)];
}

/** check_modinfo_livepatch: a kernel without CONFIG_LIVEPATCH has no klp_enable_patch. */
function checkLivepatchSupport(context: ModuleContext): Problem[] {
  const { file, kernel, modInfo, module, path } = context;
  if (kernel === null || !kernel.hasSymbols || modInfo.get("livepatch") === null) return [];
  if (!isFinishedModule(file, path) || kernel.find("klp_enable_patch").length > 0) return [];
  const data = { module, source: kernel.source };
  return [problem("KLP512", modinfoPlace(context), data, { loadOrder: LOADING.livepatch })];
}

/** What a module's own tables and namespaces must be like (check_export_symbol_sections, setup_modinfo). */
function checkTables(context: ModuleContext): Problem[] {
  const { file, modInfo, module, version, path } = context;
  const { sections } = file;
  const problems: Problem[] = [];
  if (!isFinishedModule(file, path)) return problems;
  const exports = sections.findByName("__ksymtab");
  if (hasFact(version, "flagTable") && exports !== null && sections.size(exports) > 0) {
    if (sections.findByName("__kflagstab") === null) {
      const data = { fault: "no flags", module } as const;
      problems.push(
        problem("KLP513", { file: path, section: "__ksymtab", offset: 0 }, data, { loadOrder: LOADING.exports }),
      );
    }
  }
  const own = modInfo.entries.find((e) => e.tag === "import_ns" && e.value.startsWith("module:"));
  if (own !== undefined && hasFact(version, "moduleNamespaces")) {
    const data = { fault: "namespace of modules", module, namespace: printable(own.value) } as const;
    problems.push(problem("KLP513", modinfoPlace(context), data, { loadOrder: LOADING.imports }));
  }
  return problems;
}

/** Checksums that a module was built with. */
interface Versions {
  /** The section that the kernel takes them from. */
  readonly section: string;
  readonly of: (name: string) => number | undefined;
  /** Whether a name may be missing: the kernel says so once, and goes on. */
  readonly mayMiss: boolean;
}

/** The checksums that check_version (kernel/module/version.c) reads; null if the module has none. */
function readVersions(file: ElfFile, version: KernelVersion | null): Versions | null {
  const { sections } = file;
  const extended = sections.findByName("__version_ext_crcs");
  const names = sections.findByName("__version_ext_names");
  if (extended !== null && names !== null && hasFact(version, "extendedVersions")) {
    const of = new Map<string, number>();
    const crcs = sections.data(extended);
    const view = viewOf(crcs);
    for (const [k, name] of latin1(sections.data(names)).split("\0").entries()) {
      if (k * 4 + 4 <= crcs.length && !of.has(name)) of.set(name, view.getUint32(k * 4, file.littleEndian));
    }
    return { section: "__version_ext_crcs", of: (name) => of.get(name), mayMiss: true };
  }
  const section = sections.findByName("__versions");
  if (section === null) return null;
  const data = sections.data(section);
  let asked = 0;
  let all: ReadonlyMap<string, number> | null = null;
  const of = (name: string): number | undefined => {
    // A module has a checksum for each symbol that it imports, and few are asked for where vmlinux is not known.
    if (++asked <= MOST_SOUGHT) return crcOf(data, name, file.littleEndian);
    all ??= allCrcs(data, file.littleEndian);
    return all.get(name);
  };
  return { section: "__versions", of, mayMiss: false };
}

/** So many names are looked for among the entries before these are put in a map. */
const MOST_SOUGHT = 16;

/** struct modversion_info: {crc unsigned long, name[56]}. */
const VERSION = { size: 64, name: 8 } as const;

/** The name of the entry at `at`, up to NUL or its end. */
function versionName(data: Uint8Array, at: number): string {
  const end = data.subarray(at + VERSION.name, at + VERSION.size).indexOf(0);
  return latin1(data, at + VERSION.name, end < 0 ? at + VERSION.size : at + VERSION.name + end);
}

/** The first checksum of each name. */
function allCrcs(data: Uint8Array, littleEndian: boolean): Map<string, number> {
  const all = new Map<string, number>();
  const view = viewOf(data);
  for (let at = 0; at + VERSION.size <= data.length; at += VERSION.size) {
    const name = versionName(data, at);
    if (!all.has(name)) all.set(name, view.getUint32(at, littleEndian));
  }
  return all;
}

/** The first checksum of one name, as {@link allCrcs} has it. */
function crcOf(data: Uint8Array, name: string, littleEndian: boolean): number | undefined {
  const [first, second] = [name.charCodeAt(0), name.charCodeAt(1)];
  for (let at = 0; at + VERSION.size <= data.length; at += VERSION.size) {
    const start = at + VERSION.name;
    // A name of one character or none is compared as a whole.
    if (name.length > 1 && (data[start] !== first || data[start + 1] !== second)) continue;
    if (versionName(data, at) === name) return viewOf(data).getUint32(at, littleEndian);
  }
  return undefined;
}

function checkImports(context: ModuleContext): Problem[] {
  const { file, symbols, kernel, module, modInfo, path } = context;
  if (kernel === null) return [];
  const problems: Problem[] = [];
  /** Null: not read yet, as long as the kernel tells no checksum. */
  let read: { readonly versions: Versions | null } | null = null;
  const versionsFor = ({ crc }: Export): Versions | null => {
    if (crc === null) return null;
    read ??= { versions: readVersions(file, context.version) };
    return read.versions;
  };
  // Of several the kernel takes the first.
  const license = modInfo.get("license") ?? "unspecified";
  const isGpl = isGplCompatible(license);
  const imported = new Set(modInfo.entries.filter((e) => e.tag === "import_ns").map((e) => e.value.replace(/"/g, "")));
  const layout = kernel.exportOf("module_layout");
  if (layout !== null) append(problems, checkVersion(context, versionsFor(layout), layout, LOADING.layoutVersion));
  let unversioned: string | null = null;
  const taint = new InheritedTaint(context, isGpl);
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.rawShndx(i) !== SHN_UNDEF) continue;
    const name = symbols.name(i);
    const exported = name === "" ? null : kernel.exportOf(name);
    if (exported === null) continue;
    const symbol = printable(name);
    const more = { loadOrder: LOADING.symbol(i) };
    const at = { file: path };
    const tainted = taint.meet(exported, symbols.bind(i) === STB_WEAK, more.loadOrder);
    if (tainted !== null) {
      append(problems, tainted);
      continue;
    }
    if (exported.gplOnly === true && !isGpl) {
      // To the loader there is no such symbol: one that may be missing stays 0.
      if (symbols.bind(i) === STB_WEAK) continue;
      problems.push(problem("KLP503", modinfoPlace(context), { module, symbol, license: printable(license) }, more));
      continue;
    }
    const versions = versionsFor(exported);
    if (exported.crc !== null && versions === null) unversioned ??= symbol;
    const refused = checkVersion(context, versions, exported, more.loadOrder);
    if (refused.length > 0) {
      append(problems, refused);
      continue;
    }
    const namespace = exported.namespace ?? "";
    // Such an export of vmlinux is as good as none: it becomes a livepatch symbol.
    const isSaid = namespace.startsWith("module:") && (exported.owner === "vmlinux" || isGranted(namespace, module));
    if (namespace !== "" && !isSaid && !imported.has(namespace)) {
      problems.push(problem("KLP504", at, { module, symbol, namespace: printable(namespace) }, more));
    }
  }
  if (unversioned !== null && isFinishedModule(file, path)) {
    problems.push(problem("KLP514", { file: path }, { module, symbol: unversioned }));
  }
  return problems;
}

/** What check_version says of one export, where the module has checksums and the kernel has one for it. */
function checkVersion(
  { module, path }: ModuleContext,
  versions: Versions | null,
  exported: Export,
  loadOrder: readonly number[],
): Problem[] {
  if (versions === null || exported.crc === null) return [];
  const own = versions.of(exported.name);
  const place = { file: path, section: versions.section, offset: 0 };
  const symbol = printable(exported.name);
  if (own === undefined) return versions.mayMiss ? [] : [problem("KLP506", place, { module, symbol }, { loadOrder })];
  if (own === exported.crc) return [];
  return [problem("KLP505", place, { module, symbol, own, kernel: exported.crc }, { loadOrder })];
}

function checkExports({ file, symbols, kernel, module, path }: ModuleContext): Problem[] {
  if (kernel === null) return [];
  const problems: Problem[] = [];
  for (const i of symbols.startingWith("__ksymtab_")) {
    const home = symbols.sectionOf(i);
    // The kernel goes by the sections __ksymtab and __ksymtab_gpl.
    if (home === null || !file.sections.name(home).startsWith("__ksymtab")) continue;
    const symbol = symbols.name(i).slice("__ksymtab_".length);
    const other = kernel.exportOf(symbol);
    if (other === null || other.owner === module) continue;
    const section = file.sections.name(home);
    const at = { file: path, section, offset: symbols.offset(i) };
    const data = { module, symbol: printable(symbol), owner: other.owner === "vmlinux" ? "kernel" : other.owner };
    problems.push(problem("KLP507", at, data, { loadOrder: LOADING.exported(i) }));
  }
  return problems;
}

function checkThisModule(context: ModuleContext): Problem[] {
  const { file, reference, kernel, module, path } = context;
  const own = readThisModule(file);
  // A module that was built for the kernel goes before what its types say.
  const other = own === null ? null : (reference?.thisModule ?? kernel?.structModule ?? null);
  if (own === null || other === null) return [];
  const at = { file: path, section: ".gnu.linkonce.this_module", offset: 0 };
  const source = reference?.thisModule == null ? `${kernel?.source ?? ""} (BTF)` : reference.source;
  if (own.size !== other.size) {
    // The kernel that is given tells its version; the module tells that of the kernel that it was built for.
    const told = context.isVersionGiven ? null : parseKernelVersion(kernel?.release ?? "");
    const isChecked = hasFact(told ?? context.version, "thisModuleChecked");
    const data = { module, own: own.size, kernel: other.size, source, isChecked };
    return [problem("KLP508", at, data, isChecked ? { loadOrder: LOADING.structModule } : {})];
  }
  const problems: Problem[] = [];
  for (const [what, mine, theirs] of [
    ["init", own.init, other.init],
    ["exit", own.exit, other.exit],
  ] as const) {
    if (mine === null || theirs === null || mine === theirs) continue;
    problems.push(problem("KLP509", { ...at, offset: mine }, { what, own: mine, kernel: theirs, source }));
  }
  return problems;
}
