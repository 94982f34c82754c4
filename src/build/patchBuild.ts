// What the steps of `klplink build` ask of a build: of a kernel's source, or of one module out of it.

import type { ObjectPair } from "./compiled/pairs.ts";
import type { Config } from "./config.ts";
import type { Ended } from "./make.ts";
import type { PatchedFile, ReadFile } from "./patch/apply.ts";
import type { FilePatch } from "./patch/file.ts";
import type { BuildPlan } from "./plan.ts";

/** What is to be planned. */
export interface PlanRequest {
  readonly files: readonly PatchedFile[];
  readonly patches: readonly FilePatch[];
  readonly read: ReadFile;
  /** Objects that alone are compiled; empty: all. */
  readonly only: readonly string[];
  /** Nothing may be compiled for it. */
  readonly isDry: boolean;
}

export interface PatchBuild {
  /** How the compiler that is used calls itself, and how the one of the configuration did; the same: null. */
  readonly compilers: { readonly kernel: string; readonly here: string } | null;
  readonly config: Config;
  /** The Module.symvers that modules are linked by, if it is one of the private folder; null: it is the kernel's own. */
  readonly exportList: string | null;
  /** A folder with all objects of the source as it is, by their paths in {@link ObjectPair}; null: there is none. Known once they are compiled. */
  readonly unpatched: string | null;
  /** Path of the program that signs modules. */
  readonly signer: string;
  /** @returns options that became others @throws BuildStop KLP817, Interrupted */
  readonly configure: () => Promise<string[]>;
  /** Which objects the patches concern. @throws BuildStop KLP817, Interrupted */
  readonly plan: (request: PlanRequest) => Promise<BuildPlan>;
  /** Makes all that compiling needs. @throws BuildStop KLP817, Interrupted */
  readonly prepare: () => Promise<void>;
  /** Compiles objects before and after. @throws BuildStop KLP817, Interrupted */
  readonly pairs: (objects: readonly string[], files: readonly PatchedFile[]) => Promise<ObjectPair[]>;
  /** Runs the kernel's make. @throws BuildStop KLP817, Interrupted */
  readonly make: (step: string, args: readonly string[], onLine?: (line: string) => void) => Promise<Ended>;
}
