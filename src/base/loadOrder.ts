// What a kernel does when it loads a module, in its order, so that of several faults the one is known that it reports: a module
// is refused for what the loader meets first. load_module (kernel/module/main.c) and klp_enable_patch (kernel/livepatch/core.c)
// of 6.12; where other versions differ, the order among the events of one file is the same.

/** A place in that order: lists of numbers, compared from the left; missing numbers are 0. */
export type LoadMoment = readonly number[];

/** Whether `a` comes before `b`. */
export function isBefore(a: LoadMoment, b: LoadMoment): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Passes over the relocation sections: when the module is loaded, and when a module is there that it patches. */
export const RELOCATING = { atLoad: 1, late: 3 } as const;

/** Names of the events. */
export const LOADING = {
  // elf_validity_cache_copy: headers, .modinfo, struct module, tables.
  header: [-4],
  modinfo: [-4, 1],
  structModule: [-3],
  extendedVersions: [-3, 1],
  strings: [-3, 2],
  // check_modstruct_version, check_modinfo.
  layoutVersion: [-2],
  vermagic: [-1],
  livepatch: [-1, 1],
  // layout_and_allocate: module_frob_arch_sections, module_enforce_rwx_sections.
  arch: [-1, 2],
  writableCode: [-1, 3],
  exports: [-1, 4],
  imports: [-1, 5],
  // simplify_symbols: the table of what the architecture wants, then symbol by symbol.
  globalOffsetTable: [0, -1],
  symbol: (index: number): LoadMoment => [0, index],
  // apply_relocations: section by section, and in each in the architecture's order.
  livepatchSection: (section: number, pass: number = RELOCATING.atLoad): LoadMoment => [pass, section, -1],
  relocation: (section: number, rank: number, pass: number = RELOCATING.atLoad): LoadMoment => [pass, section, rank],
  /** A symbol of a livepatch section: all are resolved before its first relocation. */
  livepatchSymbol: (section: number, rank: number): LoadMoment => [RELOCATING.atLoad, section, -1, rank],
  // klp_enable_patch: the patch, each object and its functions.
  patch: [2, -3],
  // klp_module_coming.
  coming: [2, -2],
  object: (index: number): LoadMoment => [2, -2, index],
  // klp_enable_patch of a module that does not say that it is a livepatch.
  unmarked: [2, -1],
  // verify_exported_symbols.
  exported: (symbol: number): LoadMoment => [2, -1, symbol],
  // post_relocation: module_finalize.
  finalize: [2],
  objectTwin: (object: number): LoadMoment => [2, object, -2],
  functionEntry: (object: number, index: number): LoadMoment => [2, object, -1, index],
  functionSearch: (object: number, index: number): LoadMoment => [2, object, 0, index],
  // klp_patch_object: the functions get their ftrace handler.
  patching: (object: number, index: number): LoadMoment => [3, object, index],
} as const satisfies Record<string, LoadMoment | ((...numbers: number[]) => LoadMoment)>;
