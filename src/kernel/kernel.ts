// Everything known of the kernel that a module is for, from all files that were given.

import { latin1 } from "../base/bytes.ts";
import { firstIndex } from "../base/search.ts";
import { Btf, BtfError, isLittleEndianBtf } from "../elf/btf.ts";
import type { ElfExecutable } from "../elf/executable.ts";
import type { KernelConfig } from "./config.ts";
import { type FoundRecord, findFtraceRecord } from "./image/ftraceLookup.ts";
import type { LinkedSymbol } from "./image/linkedIds.ts";
import { type LivepatchStackSource, STACK_MEMBERS, stackFromBtf, stackFromMembers } from "./image/livepatchStack.ts";
import type { Vmlinux } from "./image/vmlinux.ts";
import { findKernelMachine, type MachineOf, machineOfConfig, machineOfList } from "./machines.ts";
import type { ModuleFile, ThisModule } from "./module/moduleFile.ts";
import type { Export } from "./symbols/exports.ts";
import type { NameShape } from "./symbols/nearNames.ts";
import { type PlacedSymbols, placedOfKernel } from "./symbols/placedSymbols.ts";
import { type KernelSymbol, type NameTest, NO_ROW } from "./symbols/symbolColumns.ts";
import type { SymbolList } from "./symbols/symbolList.ts";

export interface KernelParts {
  /** Symbols of vmlinux: System.map, nm output, kallsyms, or those of vmlinux itself. */
  readonly list?: SymbolList | undefined;
  readonly vmlinux?: Vmlinux | undefined;
  /** From Module.symvers. */
  readonly symvers?: { readonly source: string; readonly exports: readonly Export[] } | undefined;
  readonly modules?: readonly ModuleFile[] | undefined;
  /** How it was configured, and the file that says so. */
  readonly config?: { readonly source: string; readonly options: KernelConfig } | undefined;
  /** Its release, where it is known because it runs, and what tells it; what vmlinux says counts before. */
  readonly running?: { readonly release: string; readonly source: string } | undefined;
  /** struct module, where it is known already: else vmlinux's types are asked. */
  readonly structModule?: ThisModule | null | undefined;
  /** {@link Kernel.hasLivepatch}, where it is known already: else all names are looked through. */
  readonly hasLivepatch?: boolean | null | undefined;
}

/** What is found out of the kernel itself, once for all that differ in their modules alone; absent: nobody has asked yet. */
interface Known {
  /** Exports of Module.symvers, by name. */
  readonly symvers: ReadonlyMap<string, readonly Export[]>;
  btf?: Btf | null | undefined;
  structModule?: ThisModule | null | undefined;
  hasLivepatch?: boolean | null | undefined;
  placed?: PlacedSymbols;
}

/** A module that defines a symbol. */
export interface SymbolOwner {
  readonly module: string;
  readonly exported: boolean;
}

/** The kernel and its modules. Where several files tell the same, the most exact one counts. */
export class Kernel {
  /** The file that the symbols come from, for messages. */
  readonly source: string;
  /** Modules given with -m, by name. */
  readonly modules: ReadonlyMap<string, ModuleFile>;
  readonly #list: SymbolList | null;
  readonly #vmlinux: Vmlinux | null;
  readonly #symvers: ReadonlyMap<string, readonly Export[]>;
  readonly #parts: KernelParts;
  readonly #known: Known;

  /** @param known what was found out with the same `parts`, whatever modules they have */
  constructor(parts: KernelParts, known: Known | null = null) {
    this.#parts = parts;
    this.#list = parts.list ?? parts.vmlinux?.list ?? null;
    this.#vmlinux = parts.vmlinux ?? null;
    this.#known = known ?? { symvers: byName(parts.symvers?.exports ?? []) };
    this.#symvers = this.#known.symvers;
    this.modules = new Map((parts.modules ?? []).map((m) => [m.name, m]));
    this.source = this.#list?.source ?? parts.symvers?.source ?? parts.modules?.[0]?.source ?? "";
  }

  /** The same kernel with more modules; what is known of the kernel itself is shared. */
  withModules(more: readonly ModuleFile[]): Kernel {
    return new Kernel({ ...this.#parts, modules: [...(this.#parts.modules ?? []), ...more] }, this.#known);
  }

  /** The architectures of all files that tell one. */
  get machines(): readonly MachineOf[] {
    const isText = this.#list !== null && this.#list !== this.#vmlinux?.list;
    const listed = isText ? machineOfList(this.#list) : null;
    const { config } = this.#parts;
    const configured = config === undefined ? null : machineOfConfig(config.options);
    return [
      ...(this.#vmlinux === null ? [] : [{ source: this.#vmlinux.list.source, machine: this.#vmlinux.machine }]),
      ...(listed === null ? [] : [{ source: this.source, machine: listed }]),
      ...(configured === null ? [] : [{ source: config?.source ?? "", machine: configured }]),
      ...this.modules.values(),
    ];
  }

  /** The listing that the symbols come from; null if there is none. */
  get list(): SymbolList | null {
    return this.#list;
  }

  /** Whether the symbols of vmlinux are known: without them nothing can be called missing there. */
  get hasSymbols(): boolean {
    return this.#list !== null;
  }

  /** The symbols of vmlinux called `name`, in kallsyms order; the n-th has position n (1-based). */
  find(name: string): readonly KernelSymbol[] {
    return this.#list?.find(name) ?? [];
  }

  /**
   * Whether the kernel takes away the landing pad of a function of vmlinux when it starts, or of a module when that is loaded; null:
   * no file tells.
   * @param position among the symbols of its name, from 1; 0: it is the only one
   */
  isSealed(name: string, position: number, object = "vmlinux"): boolean | null {
    if (object !== "vmlinux") return this.modules.get(object)?.isSealed(name, position) ?? null;
    const { sealed = null, list } = this.#vmlinux ?? { list: null };
    // The list that was given may be of the running kernel, at other addresses.
    const symbol = list?.find(name)[Math.max(0, position - 1)];
    if (sealed === null || symbol === undefined) return null;
    const at = firstIndex(sealed.length, (i) => (sealed[i] ?? 0n) >= symbol.address);
    return sealed[at] === symbol.address;
  }

  /**
   * How large a function of vmlinux or of a module is: as its symbol says, or at most, up to the next symbol. Null: no file tells.
   * @param position among the symbols of its name, from 1; 0: it is the only one
   */
  sizeOf(
    name: string,
    position: number,
    object = "vmlinux",
  ): { readonly bytes: number; readonly isExact: boolean } | null {
    const index = Math.max(0, position - 1);
    if (object !== "vmlinux") {
      const bytes = this.modules.get(object)?.find(name)[index]?.size ?? 0;
      return bytes === 0 ? null : { bytes, isExact: true };
    }
    // The list that was given may be of the running kernel, at other addresses.
    const own = this.#vmlinux?.list.find(name)[index];
    const stated = own === undefined ? null : (this.#vmlinux?.sizeOf?.(name, own.address) ?? null);
    if (stated !== null) return { bytes: stated, isExact: true };
    const listed = this.find(name)[index];
    const next = listed === undefined ? null : this.nextSymbol(listed.address);
    if (listed === undefined || next === null) return null;
    return { bytes: Number(next - listed.address), isExact: false };
  }

  /** The only symbol of vmlinux whose name is the bytes of [start, end): below 0 if there is none, or several. */
  lone(bytes: Uint8Array, start: number, end: number): number {
    return this.#list?.lone(bytes, start, end) ?? NO_ROW;
  }

  /**
   * Whether the bytes of [start, end) are the name of one symbol of vmlinux, which is not exported, and whether no file tells of
   * modules that have one: what nearly all undefined symbols of a livepatch are.
   */
  isOnlyInVmlinux(bytes: Uint8Array, start: number, end: number): boolean {
    const list = this.#list;
    if (list === null || list.hasModules || this.modules.size > 0 || this.#symvers.size > 0) return false;
    if ((this.#vmlinux?.exports.size ?? 0) > 0 || list.lone(bytes, start, end) < 0) return false;
    return !list.exportsBytes(bytes, start, end);
  }

  /** How many symbols of vmlinux are called `name`. */
  countOf(name: string): number {
    return this.#list?.countOf(name) ?? 0;
  }

  /** Symbols of a loaded module called `name`, with their addresses, where the list is that of a running kernel. */
  findIn(module: string, name: string): readonly KernelSymbol[] {
    return this.#list?.findIn(module, name) ?? [];
  }

  /**
   * Whether the kernel has the livepatch core. Null if that is not known: without a list that has its module loader, too, in which
   * symbols may be missing.
   */
  get hasLivepatch(): boolean | null {
    const known = this.#known;
    if (known.hasLivepatch === undefined) known.hasLivepatch = this.#parts.hasLivepatch;
    if (known.hasLivepatch === undefined) {
      const hasCore = this.#list?.hasNameWith("klp_") === true;
      const hasLoader = MODULE_LOADERS.some((part) => this.#list?.hasNameHolding(part, isModuleLoader) === true);
      known.hasLivepatch = hasCore ? true : hasLoader ? false : null;
    }
    return known.hasLivepatch;
  }

  /** The symbols of vmlinux, or of a module, by place; null if no file lists them. Made when first asked for. */
  placedSymbols(object: string): PlacedSymbols | null {
    if (object !== "vmlinux") return this.modules.get(object)?.placed ?? null;
    if (this.#list === null) return null;
    this.#known.placed ??= placedOfKernel(this.#list.symbols(), this.#vmlinux?.sourceFiles() ?? null);
    return this.#known.placed;
  }

  /** The symbols of vmlinux by the ids that objtool gave them in vmlinux.o; null if they have none. */
  linkedIds(): ReadonlyMap<bigint, LinkedSymbol> | null {
    return this.#list === this.#vmlinux?.list ? (this.#vmlinux?.linkedIds?.() ?? null) : null;
  }

  /** All names of vmlinux. @param like leaves out those of another shape */
  names(like?: NameShape): Iterable<string> {
    return this.#list?.names(like) ?? [];
  }

  /** Whether exported and unexported symbols can be told apart. */
  get hasExports(): boolean {
    // A list of functions only has no marks of exports; the kernel's own table tells them.
    return this.#symvers.size > 0 || (this.#vmlinux?.exports.size ?? 0) > 0 || (this.#list?.hasExports ?? false);
  }

  /** Whether a list of exports was given that has those of vmlinux: without the kernel's symbols it tells what is not exported. */
  get listsExportsOfVmlinux(): boolean {
    for (const exported of this.#symvers.values()) if (exported.some((e) => e.owner === "vmlinux")) return true;
    return false;
  }

  /** Whether vmlinux exports `name`. Of two files, the one that says so counts. */
  exports(name: string): boolean {
    return (
      (this.#list?.exports(name) ?? false) ||
      (this.#vmlinux?.exports.has(name) ?? false) ||
      (this.#symvers.get(name)?.some((e) => e.owner === "vmlinux") ?? false)
    );
  }

  /** Exports of vmlinux, and the file that lists them; null if none does. */
  get exportsOfVmlinux(): { readonly source: string; readonly exports: readonly Export[] } | null {
    const own = this.#vmlinux?.exports;
    if (own !== undefined && own.size > 0)
      return { source: this.#vmlinux?.list.source ?? "", exports: [...own.values()] };
    const exports: Export[] = [];
    for (const listed of this.#symvers.values()) for (const e of listed) if (e.owner === "vmlinux") exports.push(e);
    return exports.length === 0 ? null : { source: this.#parts.symvers?.source ?? "", exports };
  }

  /** Number of places that ftrace can patch in vmlinux; null if no file tells. */
  get ftraceSiteCount(): number | null {
    return this.#vmlinux?.ftraceSites?.length ?? null;
  }

  /** What is known of an export, of vmlinux or of a module; null if nothing exports that name. */
  exportOf(name: string): Export | null {
    const listed = this.#symvers.get(name) ?? [];
    const ofVmlinux = listed.find((e) => e.owner === "vmlinux");
    const own = this.#vmlinux?.exports.get(name) ?? null;
    // vmlinux itself holds what Module.symvers repeats; an absent checksum may still stand there.
    if (own !== null) return filled(own, ofVmlinux);
    if (ofVmlinux !== undefined) return ofVmlinux;
    if (this.#list?.exports(name)) return { name, owner: "vmlinux", crc: null, gplOnly: null, namespace: null };
    for (const module of this.modules.values()) {
      const exported = module.exports.get(name);
      if (exported === undefined) continue;
      const told = listed.find((e) => e.owner === module.name);
      // The file is what is loaded: one that is linked and has no checksums has none in the kernel either.
      return filled(exported, told === undefined || module.thisModule === null ? told : { ...told, crc: null });
    }
    const [first] = listed;
    if (first !== undefined) return first;
    const owner = this.#list?.modulesWith(name).find((o) => o.exported);
    return owner === undefined ? null : { name, owner: owner.module, crc: null, gplOnly: null, namespace: null };
  }

  /** Modules that define `name`: those given with -m, those of a kallsyms listing, those in Module.symvers. */
  modulesWith(name: string): SymbolOwner[] {
    const listed = this.#list?.modulesWith(name) ?? [];
    const exports = this.#symvers.get(name);
    if (this.modules.size === 0 && exports === undefined) return listed;
    let own: SymbolOwner[] | null = null;
    for (const module of this.modules.values()) {
      const exported = module.exports.has(name);
      if (!exported && !module.has(name)) continue;
      own ??= [];
      own.push({ module: module.name, exported });
    }
    // Most names are the kernel's own.
    if (own === null && exports === undefined) return listed;
    if (own !== null && exports === undefined && listed.length === 0) return own;
    const found = new Map((own ?? []).map((owner) => [owner.module, owner]));
    for (const owner of listed) {
      if (!found.has(owner.module)) found.set(owner.module, owner);
    }
    for (const exported of exports ?? []) {
      if (exported.owner !== "vmlinux" && !found.get(exported.owner)?.exported) {
        found.set(exported.owner, { module: exported.owner, exported: true });
      }
    }
    return [...found.values()];
  }

  /** The kernel's release, `6.1.192`; null if no file tells. */
  get release(): string | null {
    return this.#vmlinux?.release ?? this.#parts.running?.release ?? null;
  }

  /** What tells the release: `banner in FILE`, or a file of /proc; null if nothing does. */
  get releaseSource(): string | null {
    if ((this.#vmlinux?.release ?? null) !== null) return `banner in ${this.source}`;
    return this.#parts.running?.source ?? null;
  }

  /** The vermagic that the kernel wants of a module; null if no file tells. */
  get vermagic(): string | null {
    return this.#vmlinux?.vermagic ?? null;
  }

  /** How it was configured, and the file that says so; null if no file does. */
  get config(): { readonly source: string; readonly options: KernelConfig } | null {
    const own = this.#vmlinux?.config ?? null;
    if (own !== null) return { source: this.#vmlinux?.list.source ?? "", options: own };
    return this.#parts.config ?? null;
  }

  /** What vmlinux says of the livepatch stack: its own handler's code, and its BTF. */
  get livepatchStacks(): readonly LivepatchStackSource[] {
    const found: LivepatchStackSource[] = [];
    const decoded = this.#vmlinux?.livepatchStack ?? null;
    if (decoded !== null) found.push({ ...decoded, source: "vmlinux's livepatch_handler" });
    const told = this.btf === null ? null : stackFromBtf(this.btf);
    if (told !== null) found.push({ ...told, source: "vmlinux's BTF" });
    return found;
  }

  /** vmlinux, for its debug information; null if it has none. */
  get debug(): ElfExecutable | null {
    return this.#vmlinux?.debug ?? null;
  }

  /** What vmlinux's DWARF says of the livepatch stack; null if it does not. Reads much of a large file. */
  async readLivepatchStack(): Promise<LivepatchStackSource | null> {
    const file = this.#vmlinux?.debug ?? null;
    if (file === null || findKernelMachine(file.machine)?.hasLivepatchStack !== true) return null;
    const { findMembers } = await import("../elf/dwarf/types/members.ts");
    const places = await findMembers(file, STACK_MEMBERS);
    const told = stackFromMembers((member) => places.get(member) ?? null);
    return told === null ? null : { ...told, source: "vmlinux's debug information" };
  }

  /** vmlinux's types; null if it has none, or they cannot be read. Read when first asked for. */
  get btf(): Btf | null {
    const bytes = this.#vmlinux?.btf ?? null;
    const known = this.#known;
    if (known.btf !== undefined || bytes === null) return known.btf ?? null;
    try {
      known.btf = new Btf(bytes, isLittleEndianBtf(bytes));
    } catch (error) {
      if (!(error instanceof BtfError)) throw error;
      known.btf = null;
    }
    return known.btf;
  }

  /** struct module as the kernel's types have it; null if they do not tell. */
  get structModule(): ThisModule | null {
    const known = this.#known;
    if (known.structModule === undefined) {
      const told = this.#parts.structModule;
      known.structModule = told === undefined ? structModuleOf(this.btf) : told;
    }
    return known.structModule;
  }

  /**
   * Whether ftrace can patch the function of vmlinux that starts at `address`: a record from its first byte up to the
   * next symbol (klp_get_ftrace_location). Null if the files do not tell.
   * @param end address of the next symbol.
   */
  hasFtraceSite(address: bigint, end: bigint): boolean | null {
    const sites = this.#vmlinux?.ftraceSites ?? null;
    if (sites === null) return null;
    const first = firstIndex(sites.length, (i) => (sites[i] ?? 0n) >= address);
    const next = sites[first];
    return next !== undefined && next < end;
  }

  /**
   * The ftrace record that the livepatch core finds for the function of vmlinux that starts at `address`; null if the files do
   * not tell.
   * @param end address of the next symbol.
   */
  findFtraceRecord(address: bigint, end: bigint): FoundRecord | null {
    const records = this.#vmlinux?.ftraceRecords ?? null;
    return records === null ? null : findFtraceRecord(records, address, end);
  }

  /** Address of the first symbol of vmlinux behind `address`; null if there is none. */
  nextSymbol(address: bigint): bigint | null {
    return this.#list?.nextAddress(address) ?? null;
  }
}

/** What names of the module loader have in them. */
const MODULE_LOADERS = ["sys_finit_module", "load_module"];

/** load_module is static, so the compiler may have given it a suffix; the system call is there in any case. */
const isModuleLoader: NameTest = (text, start, end) =>
  /(?:^|_)sys_finit_module$|^load_module(?:\.|$)/.test(latin1(text, start, end));

function structModuleOf(btf: Btf | null): ThisModule | null {
  try {
    const size = btf?.structLayout("module")?.size;
    if (btf === null || size === undefined) return null;
    return { size, init: btf.memberOffset("module", "init"), exit: btf.memberOffset("module", "exit") };
  } catch (error) {
    if (error instanceof BtfError) return null;
    throw error;
  }
}

/** What a file tells of an export, with what a list of exports tells beside it. */
function filled(own: Export, listed: Export | undefined): Export {
  return {
    ...own,
    crc: own.crc ?? listed?.crc ?? null,
    gplOnly: own.gplOnly ?? listed?.gplOnly ?? null,
    namespace: own.namespace ?? listed?.namespace ?? null,
  };
}

function byName(exports: readonly Export[]): Map<string, Export[]> {
  const found = new Map<string, Export[]>();
  for (const exported of exports) {
    const known = found.get(exported.name);
    if (known === undefined) found.set(exported.name, [exported]);
    else known.push(exported);
  }
  return found;
}
