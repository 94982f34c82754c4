// Expected: the order of the calls in load_module (kernel/module/main.c, 6.12), and in klp_enable_patch, as read there.

import { expect, test } from "vitest";
import { isBefore, LOADING, type LoadMoment, RELOCATING } from "../../src/base/loadOrder.ts";

const inOrder: readonly (readonly [string, LoadMoment])[] = [
  ["elf_validity_cache_copy: headers", LOADING.header],
  [".modinfo", LOADING.modinfo],
  ["struct module", LOADING.structModule],
  ["the symbols' strings", LOADING.strings],
  ["check_modstruct_version", LOADING.layoutVersion],
  ["check_modinfo: vermagic", LOADING.vermagic],
  ["check_modinfo_livepatch", LOADING.livepatch],
  ["module_frob_arch_sections", LOADING.arch],
  ["module_enforce_rwx_sections", LOADING.writableCode],
  ["simplify_symbols: symbol 1", LOADING.symbol(1)],
  ["simplify_symbols: symbol 2", LOADING.symbol(2)],
  ["klp_apply_section_relocs: section 5", LOADING.livepatchSection(5)],
  ["klp_resolve_symbols: its first symbol", LOADING.livepatchSymbol(5, 1)],
  ["apply_relocate_add: section 5, first", LOADING.relocation(5, 0)],
  ["apply_relocate_add: section 5, second", LOADING.relocation(5, 1)],
  ["apply_relocate_add: section 6", LOADING.relocation(6, 0)],
  ["klp_init_object: the second object's functions", LOADING.functionEntry(1, 0)],
  ["klp_find_object_symbol: its first function", LOADING.functionSearch(1, 0)],
  ["klp_patch_func", LOADING.patching(0, 0)],
];

test.each(inOrder.slice(1).map((after, i) => [inOrder[i], after] as const))("%s is before %s", (before, after) => {
  expect(before !== undefined && isBefore(before[1], after[1])).toBe(true);
  expect(before !== undefined && isBefore(after[1], before[1])).toBe(false);
});

test("relocations for a module that comes later are after all of those at load", () => {
  expect(isBefore(LOADING.relocation(99, 99), LOADING.relocation(1, 0, RELOCATING.late))).toBe(true);
});

test("missing numbers are 0", () => {
  expect(isBefore([1], [1, 0])).toBe(false);
  expect(isBefore([1, -1], [1])).toBe(true);
});
