// The x86_64 module loader adds nothing to a module: no PLT, no GOT, no sorted relocations
// (arch/x86/kernel/module.c of 6.1, 6.12 and 7.2).

import type { ArchLoader } from "./loader.ts";

export const x86_64Loader: ArchLoader = {
  dedots: false,
  ignoredSymbol: "_GLOBAL_OFFSET_TABLE_",
  // Nothing is counted, so nothing is sorted.
  order: () => null,
  prepare: () => ({ orders: new Map(), changes: new Map(), refusals: [] }),
  begin: (_file, _symbols, relocs, _space, facts) => ({
    machine: {
      relocs,
      hooks: {},
      features: facts.features,
      TOC: 0n,
      placeMustBeZero: true,
      module: facts.module,
      has: facts.has,
    },
    finish: () => {},
    stubs: [],
    unknown: [],
  }),
};
