// The ways in which r2 can come back, as rows: what each is called and costs, what it needs to know, and what it plans. Options,
// help, `show --toc` and the passes read them here.

import type { Prototypes } from "../../elf/dwarf/types/prototype.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import { strategies as texts } from "../../stubs/strategies/index.ts";
import { type Strategy, TOC_RESTORES, type TocRestore } from "../../stubs/strategies/strategy.ts";
import type { FunctionIndex } from "../functions.ts";
import { planEpilogues } from "./epilogues.ts";
import type { IslandChoice } from "./islands.ts";
import { planMiniFrames } from "./miniFrames.ts";

/** What a plan is made from. */
export interface Planned {
  readonly file: ElfFile;
  readonly symbols: SymbolTable;
  readonly functions: FunctionIndex;
  readonly prototypes: Prototypes;
  /** Whether functions whose arguments are not shown to be in registers are taken, too. */
  readonly frameAll: boolean;
}

export interface TocStrategy extends Strategy {
  /** Whether calls are rewritten: otherwise they are audited only. */
  readonly rewrites: boolean;
  /** Whether it needs the places of the livepatch stack. */
  readonly needsStack: boolean;
  /** What debug information is read for: the types of parameters, code that moves, or nothing. */
  readonly reads: "types" | "moves" | "nothing";
  /** Whether it changes replacement functions, not only calls. */
  readonly changesFunctions: boolean;
  /** Whether no released kernel has what it needs. */
  readonly needsOwnKernel: boolean;
  /** What it changes beside the islands of all. */
  readonly plan: (from: Planned) => Partial<Pick<IslandChoice, "stubs" | "epilogues" | "frames">>;
}

const common = {
  rewrites: true,
  needsStack: false,
  reads: "types",
  changesFunctions: false,
  needsOwnKernel: false,
  plan: () => ({}),
} as const;

const rows: Readonly<Record<TocRestore, TocStrategy>> = {
  island: { ...texts.island, ...common },
  nop: { ...texts.nop, ...common, rewrites: false, reads: "nothing" },
  epilogue: {
    ...texts.epilogue,
    ...common,
    reads: "moves",
    changesFunctions: true,
    needsOwnKernel: true,
    plan: ({ file, symbols, functions }) => ({ epilogues: planEpilogues(file, symbols, functions) }),
  },
  "mini-frame": {
    ...texts["mini-frame"],
    ...common,
    changesFunctions: true,
    plan: ({ file, symbols, functions, prototypes, frameAll }) => ({
      frames: planMiniFrames(file, symbols, functions, prototypes, frameAll),
    }),
  },
  "shadow-stack": { ...texts["shadow-stack"], ...common, needsStack: true, plan: () => ({ stubs: true }) },
};

/** All of them; the first is the default. */
export const tocStrategies: readonly TocStrategy[] = TOC_RESTORES.map((option) => rows[option]);

/** The strategy of a word; undefined: the default. */
export const tocStrategy = (option: TocRestore = TOC_RESTORES[0]): TocStrategy => rows[option];
