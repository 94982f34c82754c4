// The kernel's own make, in the private tree: configured, prepared, and the objects that a patch concerns compiled before and after.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isBuilt } from "./compiled/dependents.ts";
import { compileTwice, type ObjectPair } from "./compiled/pairs.ts";
import { chooseCompiler } from "./compiler.ts";
import { type Config, configChanges, hasLinkTimeCode, objectVariables, parseConfigText } from "./config.ts";
import { COMMON_FLAGS, type MakeMachine } from "./machines.ts";
import { type Ended, makeFailure, type Programs } from "./make.ts";
import { KernelMakefiles } from "./objects.ts";
import type { PatchedFile } from "./patch/apply.ts";
import { helperFlags, patchHeaderFlags } from "./patch/headers.ts";
import type { PatchBuild, PlanRequest } from "./patchBuild.ts";
import { type BuildPlan, planModules, planObjects } from "./plan.ts";
import { type Workspace, writeThrough } from "./workspace.ts";

export interface BuildOptions {
  readonly machine: MakeMachine;
  readonly workspace: Workspace;
  readonly programs: Programs;
  /** The text of the configuration. */
  readonly config: string;
  /** The release of the kernel, for vermagic; null: that of the source. */
  readonly release: string | null;
  readonly cross?: string;
  readonly compiler?: string;
  readonly jobs?: number;
  /** Folders in which the kernel itself may have been built. They are only read. */
  readonly builtFolders: readonly string[];
  readonly show: (text: string) => void;
}

/** Output folders that are kept of one source. */
const KEPT = 3;

export class KernelBuild implements PatchBuild {
  readonly #options: BuildOptions;
  readonly #variables: readonly string[];
  readonly #wanted: Config;
  #config: Config;
  #unpatched: string | null = null;
  /** The output folder (O=). */
  readonly out: string;
  /** How the compiler that is used calls itself, and how the one of the configuration did; the same: null. */
  readonly compilers: { readonly kernel: string; readonly here: string } | null;

  /** @throws BuildStop KLP816 if there is no compiler */
  constructor(options: BuildOptions) {
    this.#options = options;
    const { machine, workspace, config, release } = options;
    this.#wanted = parseConfigText(config);
    this.#config = this.#wanted;
    const chosen = chooseCompiler(options, this.#wanted);
    const flags = [
      ...COMMON_FLAGS,
      ...machine.flags.filter((f) => !this.#wanted.has(f.unless)).map((f) => f.flag),
      ...patchHeaderFlags(workspace.folder),
      ...helperFlags(workspace.tree, this.#wanted),
    ];
    this.#variables = [
      `ARCH=${machine.arch}`,
      ...chosen.variables,
      `KCFLAGS=${flags.join(" ")}`,
      "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970",
      "KBUILD_BUILD_USER=klplink",
      "KBUILD_BUILD_HOST=klplink",
      "KBUILD_BUILD_VERSION=1",
      "LOCALVERSION=",
      ...(release === null ? [] : [`KERNELRELEASE=${release}`]),
    ];
    this.compilers = chosen.differs;
    const key = createHash("sha256")
      .update(JSON.stringify([config, chosen.version, this.#variables]))
      .digest("hex");
    this.out = join(workspace.folder, `out-${key.slice(0, 16)}`);
  }

  get exportList(): string {
    return join(this.out, "Module.symvers");
  }

  /** Only a folder in which the kernel itself was built has them all. */
  get unpatched(): string | null {
    return this.#unpatched;
  }

  get signer(): string {
    return join(this.out, "scripts/sign-file");
  }

  /** The configuration as make has made it of the one that was given. */
  get config(): Config {
    return this.#config;
  }

  /** Whether code is only there in linked objects. */
  get #isLinked(): boolean {
    return hasLinkTimeCode(this.#config);
  }

  #jobs = (): string => `-j${this.#options.jobs ?? availableParallelism()}`;

  /** @throws BuildStop KLP817, Interrupted */
  async make(step: string, args: readonly string[], onLine?: (line: string) => void): Promise<Ended> {
    const { programs, workspace } = this.#options;
    const all = [
      "--no-print-directory",
      "-C",
      workspace.tree,
      `O=${this.out}`,
      this.#jobs(),
      ...this.#variables,
      ...args,
    ];
    const ended = await programs.run("make", all, onLine === undefined ? {} : { onLine });
    if (ended.status !== 0) throw makeFailure(step, ended, programs, workspace.tree);
    return ended;
  }

  /** Makes the output folder, with the configuration. @returns options that became others */
  async configure(): Promise<string[]> {
    const { config, show } = this.#options;
    const stamp = join(this.out, ".klplink-configured");
    if (!existsSync(stamp)) {
      rmSync(this.out, { recursive: true, force: true });
      mkdirSync(this.out, { recursive: true });
      writeFileSync(join(this.out, ".config"), config);
      show("configures the kernel");
      await this.make("`make olddefconfig`", ["olddefconfig"]);
      await this.make("`make syncconfig`", ["syncconfig"]);
      writeThrough(stamp, "");
    }
    this.#config = parseConfigText(readFileSync(join(this.out, ".config"), "latin1"));
    utimesSync(this.out, new Date(), new Date());
    this.#prune();
    return configChanges(this.#wanted, this.#config);
  }

  /** Makes all that compiling needs: generated headers, tools. @throws BuildStop KLP817, Interrupted */
  async prepare(): Promise<void> {
    const stamp = join(this.out, ".klplink-prepared");
    if (existsSync(stamp)) return;
    this.#options.show("prepares the build: generated headers, tools");
    await this.make("`make prepare`", ["prepare", "modules_prepare", ...this.#options.machine.extra]);
    writeThrough(stamp, "");
  }

  /** Removes the output folders that were not used for the longest time. */
  #prune(): void {
    const { folder } = this.#options.workspace;
    const outs = readdirSync(folder)
      .filter((name) => name.startsWith("out-"))
      .map((name) => ({ path: join(folder, name), time: statSync(join(folder, name)).mtimeMs }))
      .sort((a, b) => b.time - a.time);
    for (const { path } of outs.slice(KEPT)) rmSync(path, { recursive: true, force: true });
  }

  /** @throws BuildStop KLP817, Interrupted */
  async plan({ files, patches, read, only }: PlanRequest): Promise<BuildPlan> {
    const { workspace, machine, programs, show, builtFolders, config } = this.#options;
    const makefiles = new KernelMakefiles(workspace.tree, this.out, machine, programs, this.#variables);
    const built = builtFolders.find((f) => isBuilt(f) && isSame(join(f, ".config"), config)) ?? null;
    this.#unpatched = built;
    const notes = { built, own: this.out, since: workspace.sourceTime() };
    const plan = await planObjects({ files, patches, makefiles, machine, read, only, show, notes });
    return this.#isLinked ? await planModules(plan, makefiles) : plan;
  }

  /** @throws BuildStop KLP817, Interrupted */
  async compile(step: string, objects: readonly string[]): Promise<void> {
    const { show } = this.#options;
    let done = 0;
    const started = performance.now();
    // What is compiled already is not named by make.
    show(step);
    for (let at = 0; at < objects.length; at += MOST_TARGETS) {
      await this.make(
        step,
        ["KBUILD_MODPOST_WARN=1", ...objectVariables(this.#config), ...objects.slice(at, at + MOST_TARGETS)],
        (line) => {
          const [, object] = /^\s+(?:CC|AS)\s+(?:\[M\]\s+)?(\S+\.o)$/.exec(line) ?? [];
          if (object === undefined) return;
          done++;
          const left = timeLeft(performance.now() - started, done, objects.length);
          show(`${step}: ${done} of ${objects.length}${left}: ${object}`);
        },
      );
    }
  }

  /**
   * Compiles objects of the source as it is, and as the patches make it. The tree is then as it was.
   * @throws BuildStop KLP817, Interrupted
   */
  pairs(objects: readonly string[], files: readonly PatchedFile[]): Promise<ObjectPair[]> {
    const { workspace } = this.#options;
    const compile = (step: string): Promise<void> => this.compile(step, objects);
    return compileTwice({ workspace, out: this.out, objects, files, isLinked: this.#isLinked, compile });
  }
}

const isSame = (path: string, text: string): boolean => existsSync(path) && readFileSync(path, "latin1") === text;

const MOST_TARGETS = 400;

/** How long the rest takes if it goes on like that, in words; empty where little can be said. @param spent milliseconds */
export function timeLeft(spent: number, done: number, all: number): string {
  const seconds = ((spent / done) * (all - done)) / 1000;
  if (done < 5 || seconds < 10) return "";
  return seconds < 90 ? `, ${Math.round(seconds / 10) * 10} s left` : `, ${Math.round(seconds / 60)} min left`;
}
