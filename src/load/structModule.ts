// struct module (.gnu.linkonce.this_module): the one section that the kernel fills field by field while it loads a module.
// Where a field is depends on the kernel's configuration, so its types have to tell; what a field holds follows from the
// module's sections and their addresses: find_module_sections, move_module, add_unformed_module, module_unload_init and
// complete_formation (kernel/module/main.c of 6.1, 6.12 and 7.2). Fields that hold what is allocated, or what depends on
// the machine, are listed as ranges.

import { OrderedView } from "../base/bytes.ts";
import type { Btf } from "../elf/btf.ts";
import type { StructLayout } from "../elf/dwarf/types/members.ts";
import type { ModInfo } from "../kernel/module/modinfo.ts";
import type { UnknownRange } from "../stubs/loader.ts";
import type { ImageSection } from "./memory.ts";

/** The kernel's structs by name; null for one that is not known. */
export type KernelTypes = (name: string) => StructLayout | null;

/** Structs that {@link fillStructModule} asks for. */
export const STRUCTS = [
  ...["module", "module_memory", "module_layout", "mod_tree_node", "module_kobject", "mod_arch_specific"],
  ...["kernel_symbol", "kernel_param", "exception_table_entry", "bug_entry", "jump_entry", "static_call_site"],
  ...["bpf_raw_event_map", "error_injection_entry", "_ddebug_info", "_ddebug", "ddebug_class_map"],
] as const;

/** The structs of a table of types, each looked for once. */
export function btfTypes(btf: Pick<Btf, "structLayout">): KernelTypes {
  const known = new Map<string, StructLayout | null>();
  return (name) => {
    let found = known.get(name);
    if (found === undefined) {
      found = btf.structLayout(name);
      known.set(name, found);
    }
    return found;
  };
}

export interface ModuleFields {
  readonly section: ImageSection;
  readonly stage: "relocated" | "loaded" | "running";
  readonly types: KernelTypes | null;
  readonly littleEndian: boolean;
  /** Names of the sections that ftrace reads. */
  readonly siteTables: readonly string[];
  /** Whether the kernel's tables hold distances of 32 bits (HAVE_ARCH_PREL32_RELOCATIONS). */
  readonly isRelative: boolean;
  readonly modInfo: ModInfo | null;
  /** The first section of a name that is in memory; null if there is none. */
  readonly find: (name: string) => ImageSection | null;
  /** Base and bytes (null: not known) of each kind of memory, in the kernel's order. */
  readonly regions: readonly { readonly base: bigint; readonly size: number | null; readonly isInit: boolean }[];
  readonly percpu: { readonly address: bigint; readonly size: number } | null;
  /** Offsets in the section at which a relocation has written a pointer. */
  readonly pointers: readonly number[];
}

export const STRUCT_MODULE = ".gnu.linkonce.this_module";
const REASON = "struct module: the kernel fills it while it loads the module";

/** Since when struct module has begun with a state and a list: the name follows. */
const NAME = { offset: 24, size: 56 } as const;

/** A pointer to a table in a section, and the number of its entries. */
interface Table {
  readonly pointer: string;
  readonly count: string;
  readonly section: string;
  /** Bytes of an entry, or the struct that it is. */
  readonly entry: number | (typeof STRUCTS)[number];
}
const table = (pointer: string, count: string, section: string, entry: Table["entry"]): Table => ({
  pointer,
  count,
  section,
  entry,
});

const TABLES: readonly Table[] = [
  table("kp", "num_kp", "__param", "kernel_param"),
  table("syms", "num_syms", "__ksymtab", "kernel_symbol"),
  table("gpl_syms", "num_gpl_syms", "__ksymtab_gpl", "kernel_symbol"),
  table("crcs", "", "__kcrctab", 4),
  table("gpl_crcs", "", "__kcrctab_gpl", 4),
  table("flagstab", "", "__kflagstab", 1),
  table("noinstr_text_start", "noinstr_text_size", ".noinstr.text", 1),
  table("srcu_struct_ptrs", "num_srcu_structs", "___srcu_struct_ptrs", 8),
  table("bpf_raw_events", "num_bpf_raw_events", "__bpf_raw_tp_map", "bpf_raw_event_map"),
  table("jump_entries", "num_jump_entries", "__jump_table", "jump_entry"),
  table("trace_bprintk_fmt_start", "num_trace_bprintk_fmt", "__trace_printk_fmt", 8),
  table("trace_events", "num_trace_events", "_ftrace_events", 8),
  table("trace_evals", "num_trace_evals", "_ftrace_eval_map", 8),
  table("kprobes_text_start", "kprobes_text_size", ".kprobes.text", 1),
  table("kprobe_blacklist", "num_kprobe_blacklist", "_kprobe_blacklist", 8),
  table("static_call_sites", "num_static_call_sites", ".static_call_sites", "static_call_site"),
  table("kunit_suites", "num_kunit_suites", ".kunit_test_suites", 8),
  table("kunit_init_suites", "num_kunit_init_suites", ".kunit_init_test_suites", 8),
  table("ei_funcs", "num_ei_funcs", "_error_injection_whitelist", "error_injection_entry"),
];

/** Pointers that are null until the module gets its folders in sysfs, or longer. */
const LATER = ["modinfo_attrs", "holders_dir", "sect_attrs", "notes_attrs", "args", "bug_table", "klp_info"];

const MODULE_STATE = { relocated: 3, loaded: 1, running: 0 } as const; // UNFORMED, COMING, LIVE
/** module_unload_init: one for the module's being there, and one while it is loaded. */
const REFERENCES = 2;

/**
 * Writes the fields that are known into the section.
 * @returns the rest, as ranges
 */
export function fillStructModule(fields: ModuleFields): UnknownRange[] {
  const filling = new Filling(fields);
  if (fields.types?.("module") == null) filling.withoutTypes();
  else filling.withTypes();
  return filling.unknown();
}

class Filling {
  readonly #f: ModuleFields;
  readonly #view: OrderedView;
  readonly #known: Uint8Array;
  readonly #members: ReadonlyMap<string, number>;
  /** Where each member ends at the latest. */
  readonly #ends = new Map<number, number>();

  constructor(fields: ModuleFields) {
    this.#f = fields;
    const { bytes } = fields.section;
    this.#view = new OrderedView(bytes, fields.littleEndian);
    this.#known = new Uint8Array(bytes.length);
    this.#members = fields.types?.("module")?.members ?? new Map();
    const starts = [...new Set(this.#members.values())].sort((a, b) => a - b);
    for (const [i, at] of starts.entries()) this.#ends.set(at, starts[i + 1] ?? bytes.length);
  }

  unknown(): UnknownRange[] {
    const ranges: UnknownRange[] = [];
    const known = this.#known;
    for (let i = 0; i < known.length; ) {
      if (known[i] === 1) {
        i++;
        continue;
      }
      const start = i;
      while (i < known.length && known[i] === 0) i++;
      ranges.push({ section: this.#f.section.index, start, end: i, reason: REASON });
    }
    return ranges;
  }

  /** The name stands in the file; a relocation has written init and exit. */
  withoutTypes(): void {
    const { section, modInfo, pointers } = this.#f;
    const name = modInfo?.get("name") ?? null;
    const at = Buffer.from(section.bytes.buffer, section.bytes.byteOffset, section.bytes.length);
    const end = NAME.offset + NAME.size;
    if (name !== null && at.length >= end && at.toString("latin1", NAME.offset, end).replace(/\0*$/, "") === name)
      this.#keep(NAME.offset, NAME.size);
    for (const offset of pointers) this.#keep(offset, 8);
  }

  withTypes(): void {
    const { stage, pointers, modInfo, percpu } = this.#f;
    const isEarly = stage === "relocated";
    this.#memory();
    for (const offset of pointers) this.#keep(offset, 8);
    this.#file("name", NAME.size);
    for (const name of ["init", "exit"]) this.#file(name, 8);
    this.#number("state", MODULE_STATE[stage]);
    if (stage !== "running") {
      this.#number("refcnt", REFERENCES);
      this.#emptyList("source_list");
    }
    for (const row of TABLES) this.#table(row);
    const near = this.#f.isRelative ? 4 : 8;
    this.#table(table("tracepoints_ptrs", "num_tracepoints", "__tracepoints_ptrs", near));
    this.#table(table("ftrace_callsites", "num_ftrace_callsites", this.#callSites(), 8));
    // Entries of init code are dropped after it.
    if (stage !== "running") this.#table(table("extable", "num_exentries", "__ex_table", "exception_table_entry"));
    const info = this.#f.types?.("_ddebug_info")?.members;
    const at = this.#members.get("dyndbg_info");
    if (info !== undefined && at !== undefined) {
      this.#table(table("descs", "num_descs", "__dyndbg", "_ddebug"), at, info);
      this.#table(table("classes", "num_classes", "__dyndbg_classes", "ddebug_class_map"), at, info);
    }
    this.#pointer("percpu", percpu?.address ?? 0n);
    this.#number("percpu_size", percpu?.size ?? 0);
    this.#flag("klp", modInfo?.get("livepatch") != null ? 1 : 0);
    this.#flag("klp_alive", isEarly ? 0 : 1);
    for (const name of ["version", "srcversion"]) if (modInfo?.get(name) == null) this.#file(name, 8);
    if (isEarly) {
      for (const name of LATER) this.#file(name, 8);
      for (const name of ["num_bugs", "async_probe_requested"]) this.#file(name, name === "num_bugs" ? 4 : 1);
      this.#file("bug_list", 16);
      this.#file("mkobj", this.#f.types?.("module_kobject")?.size ?? 0);
    } else {
      this.#table(table("bug_table", "num_bugs", "__bug_table", "bug_entry"));
      if (modInfo?.get("livepatch") == null) this.#file("klp_info", 8);
    }
    this.#arch();
  }

  #callSites(): string {
    const { siteTables, find } = this.#f;
    return siteTables.find((name) => find(name) !== null) ?? "";
  }

  /** mem[], or core_layout and init_layout before 6.4. */
  #memory(): void {
    const { regions, stage, section, types } = this.#f;
    const gone = (r: { readonly isInit: boolean }): boolean => stage === "running" && r.isInit;
    const each = types?.("module_memory") ?? null;
    const first = this.#members.get("mem");
    const put = (at: number, { size, members }: StructLayout, region: ModuleFields["regions"][number]): void => {
      const base = members.get("base");
      const length = members.get("size");
      const node = members.get("mtn");
      if (base !== undefined) this.#write(at + base, 8, gone(region) ? 0n : region.base);
      if (length !== undefined && at + size <= section.bytes.length && region.size !== null)
        this.#write(at + length, 4, gone(region) ? 0n : BigInt(region.size));
      const module = types?.("mod_tree_node")?.members.get("mod");
      if (node !== undefined && module !== undefined) this.#write(at + node + module, 8, section.address);
      // What has no memory is in no tree.
      if (node !== undefined && region.base === 0n) this.#keep(at + node, types?.("mod_tree_node")?.size ?? 0);
    };
    if (each !== null && first !== undefined) {
      for (const [i, region] of regions.entries()) put(first + i * each.size, each, region);
      return;
    }
    const layout = types?.("module_layout") ?? null;
    if (layout === null) return;
    for (const [i, name] of ["core_layout", "init_layout"].entries()) {
      const at = this.#members.get(name);
      const region = regions[i];
      if (at !== undefined && region !== undefined) put(at, layout, region);
    }
  }

  /** What module_finalize leaves in the architecture's own part. */
  #arch(): void {
    const at = this.#members.get("arch");
    const own = this.#f.types?.("mod_arch_specific") ?? null;
    if (at === undefined || own?.members.has("num_orcs") !== true) return;
    if (this.#f.stage === "relocated") {
      this.#keep(at, own.size);
      return;
    }
    const ips = this.#f.find(".orc_unwind_ip");
    const rows = this.#f.find(".orc_unwind");
    const orcs = ips === null ? 0 : Math.floor(ips.bytes.length / 4);
    for (const [name, size, value] of [
      ["num_orcs", 4, BigInt(orcs)],
      ["orc_unwind_ip", 8, ips?.address ?? 0n],
      ["orc_unwind", 8, rows?.address ?? 0n],
    ] as const) {
      const member = own.members.get(name);
      if (member !== undefined) this.#write(at + member, size, value);
    }
  }

  #table({ pointer, count, section, entry }: Table, start = 0, members = this.#members): void {
    const found = this.#f.find(section);
    const size = typeof entry === "number" ? entry : (this.#f.types?.(entry)?.size ?? null);
    const at = members.get(pointer);
    if (at !== undefined) this.#write(start + at, 8, found?.address ?? 0n);
    const number = members.get(count);
    if (number !== undefined && size !== null && size > 0)
      this.#write(start + number, 4, BigInt(Math.floor((found?.bytes.length ?? 0) / size)));
  }

  #pointer(name: string, value: bigint): void {
    const at = this.#members.get(name);
    if (at !== undefined) this.#write(at, 8, value);
  }
  #number(name: string, value: number): void {
    const at = this.#members.get(name);
    if (at !== undefined) this.#write(at, 4, BigInt(value));
  }
  #flag(name: string, value: number): void {
    const at = this.#members.get(name);
    if (at !== undefined) this.#write(at, 1, BigInt(value));
  }
  #emptyList(name: string): void {
    const at = this.#members.get(name);
    if (at === undefined) return;
    const address = this.#f.section.address + BigInt(at);
    this.#write(at, 8, address);
    this.#write(at + 8, 8, address);
  }
  /** A field that the kernel has not touched. */
  #file(name: string, size: number): void {
    const at = this.#members.get(name);
    if (at !== undefined) this.#keep(at, size);
  }

  #write(at: number, size: 1 | 4 | 8, value: bigint): void {
    if (at + size > this.#view.byteLength) return;
    if (size === 8) this.#view.setBigUint64(at, BigInt.asUintN(64, value));
    else if (size === 4) this.#view.setUint32(at, Number(BigInt.asUintN(32, value)));
    else this.#view.setUint8(at, Number(value));
    this.#keep(at, size);
  }

  /** Known, with the gap up to the next member. */
  #keep(at: number, size: number): void {
    const end = this.#ends.get(at) ?? at + size;
    this.#known.fill(1, at, end - (at + size) < 8 && end >= at + size ? end : at + size);
  }
}
