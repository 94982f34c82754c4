// Which compiler a kernel's code is compiled with here.

import { spawnSync } from "node:child_process";
import { problem } from "../diag/catalogue.ts";
import type { Config } from "./config.ts";
import { packageOf } from "./failed/tools.ts";
import type { MakeMachine } from "./machines.ts";
import type { Environment, Programs } from "./make.ts";
import { BuildStop } from "./stop.ts";

/** The compiler that is used. */
export interface Chosen {
  /** Variables of make: CROSS_COMPILE, CC, LLVM. */
  readonly variables: readonly string[];
  /** Its command; make is told LLVM=1 where it is null. */
  readonly command: string | null;
  /** The first line of `--version`. */
  readonly version: string;
  readonly differs: { readonly kernel: string; readonly here: string } | null;
}

/** The first line of `--version`; null if there is no such program. */
function versionOf(command: string, env: Environment): string | null {
  const ran = spawnSync(command, ["--version"], { encoding: "utf8", env: { ...env, LC_ALL: "C" } });
  return ran.error === undefined && ran.status === 0 ? (ran.stdout.split("\n")[0] ?? "") : null;
}

/** A compiler's version without the name that it was called by. */
const withoutName = (version: string): string => version.replace(/^\S+ /, "");

/** A command that is clang, with its folder and the version in its name. */
const CLANG = /^(.*\/)?clang(-\d+)?$/;

/** The variable by which make takes clang, and linker and tools beside it (Documentation/kbuild/llvm.rst; forms other than 1 since 5.18). */
function toolchainOf(command: string): string {
  const [, folder = "", version = ""] = CLANG.exec(command) ?? [];
  return `LLVM=${folder !== "" ? folder : version !== "" ? version : "1"}`;
}

/** What says which compiler is used. */
export interface Wanted {
  readonly machine: MakeMachine;
  readonly programs: Programs;
  readonly cross?: string;
  readonly compiler?: string;
}

/**
 * The compiler for a configuration: as the user says, else the one here that is most like the kernel's.
 * @throws BuildStop KLP816 if there is none
 */
export function chooseCompiler({ machine, programs, cross: given, compiler }: Wanted, config: Config): Chosen {
  const wanted = (config.get("CONFIG_CC_VERSION_TEXT") ?? "").replace(/^"|"$/g, "");
  const isClang = config.has("CONFIG_CC_IS_CLANG");
  const isNative = process.arch === machine.host;
  const differs = (here: string): Chosen["differs"] =>
    wanted === "" || withoutName(wanted) === withoutName(here) ? null : { kernel: wanted, here };
  const major = / (\d+)\.\d+\.\d+$/.exec(wanted)?.[1];
  if (isClang && (compiler === undefined || CLANG.test(compiler))) {
    const names = compiler !== undefined ? [compiler] : ["clang", ...(major === undefined ? [] : [`clang-${major}`])];
    const here = names.flatMap((name) => {
      const version = versionOf(name, programs.env);
      return version === null ? [] : [{ name, version }];
    });
    const clang = here.find(({ version }) => differs(version) === null) ?? here[0];
    if (clang === undefined) throw noCompiler(compiler ?? "clang", "the kernel is compiled by it");
    return {
      variables: [toolchainOf(clang.name), ...(given === undefined ? [] : [`CROSS_COMPILE=${given}`])],
      command: null,
      version: clang.version,
      differs: differs(clang.version),
    };
  }
  const prefixes = given !== undefined ? [given] : isNative ? [machine.cross, ""] : [machine.cross];
  const names = compiler !== undefined ? [compiler] : ["gcc", ...(major === undefined ? [] : [`gcc-${major}`])];
  const found = prefixes.flatMap((cross) =>
    names.flatMap((name) => {
      const cc = compiler ?? `${cross}${name}`;
      const version = versionOf(cc, programs.env);
      return version === null ? [] : [{ cross, cc, version }];
    }),
  );
  const best = found.find(({ version }) => differs(version) === null) ?? found[0];
  if (best === undefined) {
    const need = "it compiles for the kernel's architecture";
    throw noCompiler(compiler ?? `${prefixes[0] ?? ""}gcc`, need);
  }
  const variables = [
    ...(best.cross === "" ? [] : [`CROSS_COMPILE=${best.cross}`]),
    ...(best.cc === `${best.cross}gcc` ? [] : [`CC=${best.cc}`]),
  ];
  return { variables, command: best.cc, version: best.version, differs: differs(best.version) };
}

const noCompiler = (command: string, need: string): BuildStop =>
  new BuildStop([problem("KLP816", { file: command }, { command, need, package: packageOf(command) })], 3);
