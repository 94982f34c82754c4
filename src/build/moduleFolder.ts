// A module out of the kernel's tree, built by kbuild with the headers of the kernel alone.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Problem, problem } from "../diag/catalogue.ts";
import { isRegular } from "../elf/regularFile.ts";
import { readPrerequisites } from "../kernel/tree/commandFile.ts";
import { commandText, dependentsBelow, objectsBelow } from "./compiled/dependents.ts";
import { compileTwice, type ObjectPair, originalsIn } from "./compiled/pairs.ts";
import { isProductFile } from "./compiled/products.ts";
import { type Chosen, chooseCompiler } from "./compiler.ts";
import { type Config, hasLinkTimeCode, objectVariables, parseConfigText } from "./config.ts";
import { COMMON_FLAGS, type MakeMachine } from "./machines.ts";
import { type Ended, makeFailure, type Programs } from "./make.ts";
import type { PatchedFile } from "./patch/apply.ts";
import { patchHeaderFlags } from "./patch/headers.ts";
import type { PatchBuild, PlanRequest } from "./patchBuild.ts";
import type { BuildPlan } from "./plan.ts";
import { hasNoEffect } from "./refused.ts";
import { filesBelow, type Workspace, writeThrough } from "./workspace.ts";

export interface ModuleFolderOptions {
  readonly machine: MakeMachine;
  /** Its tree is the private copy of the module's folder. */
  readonly workspace: Workspace;
  readonly programs: Programs;
  /** The folder that make is called in: the kernel's headers, or its build folder. */
  readonly headers: string;
  /** The text of the configuration. */
  readonly config: string;
  readonly cross?: string;
  readonly compiler?: string;
  readonly jobs?: number;
  /** Variables of the user's. */
  readonly variables: readonly string[];
  readonly show: (text: string) => void;
}

/** Why a folder is not one that modules are built with; null if it is. */
export function headersFault(folder: string): string | null {
  if (!existsSync(join(folder, "Makefile"))) return "it has no Makefile";
  if (!existsSync(join(folder, "include/generated/autoconf.h")))
    return "it is not configured (include/generated/autoconf.h)";
  if (!existsSync(join(folder, "scripts/mod/modpost")))
    return "scripts/mod/modpost is not built (`make modules_prepare`)";
  return null;
}

/** The release that a folder of headers is for; null if it does not say. */
export function releaseOfHeaders(folder: string): string | null {
  for (const path of ["include/config/kernel.release", "include/generated/utsrelease.h"]) {
    const file = join(folder, path);
    if (!isRegular(file)) continue;
    const text = readFileSync(file, "latin1").trim();
    const release = /UTS_RELEASE\s+"([^"]*)"/.exec(text)?.[1] ?? (path.endsWith(".h") ? null : text);
    if (release !== null && release !== "") return release;
  }
  return null;
}

/** The configuration of a folder of headers; null if it has none. */
export function configOfHeaders(folder: string): { readonly name: string; readonly text: string } | null {
  for (const path of [".config", "include/config/auto.conf"]) {
    const name = join(folder, path);
    if (isRegular(name)) return { name, text: readFileSync(name, "latin1") };
  }
  return null;
}

export class ModuleFolderBuild implements PatchBuild {
  readonly #options: ModuleFolderOptions;
  readonly #variables: readonly string[];
  readonly #chosen: Chosen;
  readonly config: Config;
  readonly exportList = null;
  readonly signer: string;

  /** @throws BuildStop KLP816 if there is no compiler */
  constructor(options: ModuleFolderOptions) {
    this.#options = options;
    const { machine, config, headers } = options;
    this.config = parseConfigText(config);
    this.#chosen = chooseCompiler(options, this.config);
    const flags = [
      ...COMMON_FLAGS,
      ...machine.flags.filter((f) => !this.config.has(f.unless)).map((f) => f.flag),
      ...patchHeaderFlags(options.workspace.folder),
    ];
    const { command, variables } = this.#chosen;
    this.#variables = [
      `ARCH=${machine.arch}`,
      ...variables.filter((v) => !v.startsWith("CC=")),
      // Headers of distributions name a compiler of their own.
      ...(command === null ? [] : [`CC=${command}`]),
      `KCFLAGS=${flags.join(" ")}`,
      ...options.variables,
    ];
    this.signer = join(headers, "scripts/sign-file");
  }

  /** The whole module was compiled. */
  get unpatched(): string {
    return originalsIn(this.#options.workspace);
  }

  get compilers(): Chosen["differs"] {
    return this.#chosen.differs;
  }

  /** @throws BuildStop KLP817, Interrupted */
  async make(step: string, args: readonly string[], onLine?: (line: string) => void): Promise<Ended> {
    const { programs, workspace, headers, jobs } = this.#options;
    const all = [
      "--no-print-directory",
      "-C",
      headers,
      `-j${jobs ?? availableParallelism()}`,
      ...this.#variables,
      ...args,
    ];
    const ended = await programs.run("make", all, onLine === undefined ? {} : { onLine });
    if (ended.status !== 0) throw makeFailure(step, ended, programs, workspace.tree);
    return ended;
  }

  /** Headers are configured. What was built with others, or by another compiler, is removed. */
  configure(): Promise<string[]> {
    const { workspace, config, headers } = this.#options;
    const stamp = join(workspace.folder, "built-with");
    const state = JSON.stringify([headers, this.#chosen.version, this.#variables, config]);
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === state) return Promise.resolve([]);
    for (const path of filesBelow(workspace.tree).filter(isProductFile))
      rmSync(join(workspace.tree, path), { force: true });
    writeThrough(stamp, state);
    return Promise.resolve([]);
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  /** All of the module: which objects it has, only its makefile knows. */
  #compile = async (step: string): Promise<void> => {
    const { workspace, show } = this.#options;
    show(step);
    const without = [...objectVariables(this.config), "CONFIG_OBJTOOL_WERROR=", "CONFIG_DEBUG_INFO_BTF_MODULES="];
    await this.make(step, [`M=${workspace.tree}`, "KBUILD_MODPOST_WARN=1", ...without, "modules"], (line) => {
      const [, object] = /^\s+CC\s+(?:\[M\]\s+)?(\S+\.o)$/.exec(line) ?? [];
      if (object !== undefined) show(`${step}: ${object.replace(`${workspace.tree}/`, "")}`);
    });
  };

  /** The module is compiled for it, unless it may not: then only what an earlier run compiled is known. */
  async plan({ files, patches, only, isDry }: PlanRequest): Promise<BuildPlan> {
    const { tree } = this.#options.workspace;
    const counted = files.filter((f) => !hasNoEffect(f.path));
    if (!isDry && counted.length > 0 && !hasLinkTimeCode(this.config)) await this.#compile("compiles the original");
    const problems: Problem[] = hasLinkTimeCode(this.config) ? [linkTimeProblem(this.#options.headers)] : [];
    const unused: string[] = [];
    const objects = new Set<string>();
    for (const { path, text } of counted) {
      const users = existsSync(tree) ? dependentsBelow(tree, [path]) : [];
      for (const object of users) objects.add(object);
      const patch = patches.find((p) => p.to === path || p.from === path);
      const at = { file: patch?.patch ?? path, line: patch?.line ?? 1 };
      if (text === null && users.some((o) => this.#isSource(o, path))) {
        const why = "its functions are in the loaded module, and the makefile still names it";
        const help = "keep the file, and take the calls of its functions out where they are";
        problems.push(problem("KLP810", at, { path, why, help }));
      }
      if (users.length > 0) continue;
      if (isDry && path.endsWith(".c")) objects.add(path.replace(/\.c$/, ".o"));
      else if (!isDry && path.endsWith(".c") && !isIncluded(path, files))
        problems.push(problem("KLP811", at, { path, rule: null }));
      else unused.push(path);
    }
    const chosen = [...(only.length === 0 ? objects : new Set(only.map((o) => o.replace(/\.c$/, ".o"))))].sort();
    const isKnown = existsSync(tree) && objectsBelow(tree).length > 0;
    const leftOut = [...objects].filter((object) => !chosen.includes(object)).sort();
    return { objects: chosen, leftOut, unused, problems, basis: isKnown ? "commands" : "unbuilt" };
  }

  #isSource(object: string, path: string): boolean {
    const source = readPrerequisites(commandText(this.#options.workspace.tree, object) ?? "")?.source ?? "";
    return source === path || source.endsWith(`/${path}`);
  }

  /** @throws BuildStop KLP817, Interrupted */
  pairs(objects: readonly string[], files: readonly PatchedFile[]): Promise<ObjectPair[]> {
    const { workspace } = this.#options;
    const { tree } = workspace;
    const beside = objectsBelow(tree);
    return compileTwice({ workspace, out: tree, objects, beside, files, compile: this.#compile });
  }
}

function linkTimeProblem(headers: string): Problem {
  const why = "objects hold bitcode, and a module out of the tree is compared object by object";
  const help = "build the module twice, and compare its linked objects with `klplink diff`";
  return problem("KLP812", { file: join(headers, ".config") }, { option: "CONFIG_LTO_CLANG", why, help });
}

/** Whether the patches make another file include a new one. */
function isIncluded(path: string, files: readonly PatchedFile[]): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return files.some((f) => f.path !== path && (f.text ?? "").includes(`${name}"`));
}
