// The kernel's own make, in the private tree: configured, prepared, and the objects that a patch concerns compiled before and after.

import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { problem } from "../diag/catalogue.ts";
import { chooseCompiler } from "./compiler.ts";
import { type Config, configChanges, parseConfigText } from "./config.ts";
import { COMMON_FLAGS, type MakeMachine } from "./machines.ts";
import type { Ended, Programs } from "./make.ts";
import type { PatchedFile } from "./patch/apply.ts";
import { BuildStop } from "./stop.ts";
import { copyTimes, type Workspace, writeThrough } from "./workspace.ts";

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
  readonly show: (text: string) => void;
}

/** An object before and after, as files of the private folder. */
export interface ObjectPair {
  /** Path from the top of the tree. */
  readonly path: string;
  /** Null: it was not made. */
  readonly orig: string;
  readonly patched: string;
  /** `vmlinux`, or the names of the modules that it is a part of. */
  readonly owners: readonly string[];
}

/** Output folders that are kept of one source. */
const KEPT = 3;

export class KernelBuild {
  readonly #options: BuildOptions;
  readonly #variables: readonly string[];
  readonly #wanted: Config;
  #config: Config;
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
    const flags = [...COMMON_FLAGS, ...machine.flags.filter((f) => !this.#wanted.has(f.unless)).map((f) => f.flag)];
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

  /** Variables that make is called with. */
  get variables(): readonly string[] {
    return this.#variables;
  }

  /** The configuration as make has made it of the one that was given. */
  get config(): Config {
    return this.#config;
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
    if (ended.status !== 0) throw this.#failed(step, ended);
    return ended;
  }

  #failed(step: string, { last, place }: Ended): BuildStop {
    const { programs, workspace } = this.#options;
    const short = (line: string): string => line.replaceAll(`${workspace.tree}/`, "");
    const at = place === null ? null : short(place);
    const lines = last
      .map(short)
      .filter((l) => l.trim() !== "")
      .slice(-4);
    return new BuildStop([problem("KLP817", { file: programs.log }, { step, place: at, lines })], 1);
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
  async compile(step: string, objects: readonly string[]): Promise<void> {
    const { show } = this.#options;
    let done = 0;
    for (let at = 0; at < objects.length; at += MOST_TARGETS) {
      await this.make(step, ["KBUILD_MODPOST_WARN=1", ...objects.slice(at, at + MOST_TARGETS)], (line) => {
        const [, object] = /^\s+(?:CC|AS)\s+(?:\[M\]\s+)?(\S+\.o)$/.exec(line) ?? [];
        if (object !== undefined) show(`${step}: ${++done} of ${objects.length}: ${object}`);
      });
    }
  }

  /**
   * Compiles objects of the source as it is, and as the patches make it. The tree is then as it was.
   * @throws BuildStop KLP817, Interrupted
   */
  async pairs(objects: readonly string[], files: readonly PatchedFile[]): Promise<ObjectPair[]> {
    const { workspace } = this.#options;
    const folder = join(workspace.folder, "pairs");
    rmSync(folder, { recursive: true, force: true });
    await this.compile("compiles the original", objects);
    const saved: [string, string][] = [];
    const save = (path: string): void => {
      const to = join(folder, "orig", path);
      mkdirSync(dirname(to), { recursive: true });
      if (!existsSync(join(this.out, path))) return;
      copyFileSync(join(this.out, path), to);
      copyTimes(join(this.out, path), to);
      saved.push([to, join(this.out, path)]);
    };
    for (const object of objects) {
      save(object);
      save(commandFile(object));
    }
    try {
      workspace.swapIn(files, this.out);
      await this.compile("compiles the patched source", objects);
      for (const object of objects) {
        const to = join(folder, "patched", object);
        mkdirSync(dirname(to), { recursive: true });
        copyFileSync(join(this.out, object), to);
      }
    } finally {
      workspace.recover();
    }
    for (const [from, to] of saved) {
      copyFileSync(from, to);
      copyTimes(from, to);
    }
    return objects.map((path) => {
      const command = join(folder, "orig", commandFile(path));
      const owners = existsSync(command) ? ownersOf(readFileSync(command, "latin1")) : ["vmlinux"];
      return { path, orig: join(folder, "orig", path), patched: join(folder, "patched", path), owners };
    });
  }
}

const MOST_TARGETS = 400;
const commandFile = (object: string): string => join(dirname(object), `.${basename(object)}.cmd`);

/** What an object is a part of, by the definitions that it was compiled with (6.1 to 7.2: scripts/Makefile.lib, modname_flags). */
function ownersOf(command: string): string[] {
  const line = command.slice(0, command.indexOf("\n"));
  if (!/ -DMODULE\b/.test(line)) return ["vmlinux"];
  const name = /-DKBUILD_MODNAME='"([^"']+)"'|-DKBUILD_MODNAME=\\?"([\w:-]+)/.exec(line);
  return (name?.[1] ?? name?.[2] ?? "").split(":").map((n) => n.replaceAll("-", "_"));
}
