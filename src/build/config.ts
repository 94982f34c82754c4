// Kernel configurations: what stands in a .config, what makes a livepatch impossible, what became another option.

import { type Problem, problem } from "../diag/catalogue.ts";
import { type MakeMachine, makeMachines } from "./machines.ts";

/** Options that are set, with their values; what is not set is absent. */
export type Config = ReadonlyMap<string, string>;

export function parseConfigText(text: string): Config {
  const found = new Map<string, string>();
  for (const match of text.matchAll(/^(CONFIG_\w+)=(.*?)\r?$/gm)) {
    if (match[2] !== "n") found.set(match[1] ?? "", match[2] ?? "");
  }
  return found;
}

const RANDOM = "each build gets other structures than the running kernel has";
const rows: readonly { readonly option: string; readonly unset?: true; readonly why: string; readonly help: string }[] =
  [
    {
      option: "CONFIG_LIVEPATCH",
      unset: true,
      why: "this kernel loads no livepatches",
      help: "is it the configuration of the kernel that runs? --config says which",
    },
    {
      option: "CONFIG_MODULES",
      unset: true,
      why: "this kernel loads no modules",
      help: "is it the configuration of the kernel that runs? --config says which",
    },
    { option: "CONFIG_GCC_PLUGIN_RANDSTRUCT", why: RANDOM, help: "such a kernel cannot be patched by another build" },
    { option: "CONFIG_RANDSTRUCT", why: RANDOM, help: "such a kernel cannot be patched by another build" },
    {
      option: "CONFIG_GCC_PLUGIN_LATENT_ENTROPY",
      why: "every function gets random constants, so all of them differ between two builds",
      help: "such a kernel cannot be patched by another build",
    },
    {
      option: "CONFIG_GCOV_PROFILE_ALL",
      why: "the counters of every function are data that a livepatch would have to share",
      help: "patch a kernel without coverage counters",
    },
  ];

/** Options of which a configuration has the one of its architecture. */
const ARCHITECTURES = [
  "CONFIG_RISCV",
  "CONFIG_S390",
  "CONFIG_LOONGARCH",
  ...Object.values(makeMachines).map((m) => m.option),
];

/** What makes livepatches impossible with a configuration. @param machine of the kernel */
export function configProblems(config: Config, file: string, machine: MakeMachine): Problem[] {
  const other = ARCHITECTURES.find((option) => option !== machine.option && config.has(option));
  if (other !== undefined) {
    const [why, help] = [
      `the kernel is one with ${machine.option}`,
      "--config says which one the kernel was built with",
    ];
    return [problem("KLP812", { file }, { option: other, why, help })];
  }
  const isLinked = hasLinkTimeCode(config) && (!machine.hasLinkedModules || config.has("CONFIG_LTO_CLANG_FULL"));
  if (isLinked) {
    const why = "objects hold bitcode; modules are compared as a whole for x86_64 with CONFIG_LTO_CLANG_THIN alone";
    const help = "build the kernel twice, and compare the linked objects with `klplink diff`";
    return [problem("KLP812", { file }, { option: "CONFIG_LTO_CLANG", why, help })];
  }
  return rows
    .filter(({ option, unset }) => config.has(option) !== (unset === true))
    .map(({ option, unset, why, help }) =>
      problem("KLP812", { file }, { option: unset === true ? `no ${option}` : option, why, help }),
    );
}

/** Whether objects of source files hold bitcode, and code is made when they are linked: to a module, or to vmlinux.o. */
export const hasLinkTimeCode = (config: Config): boolean => config.has("CONFIG_LTO_CLANG");

/** With one of these kbuild runs objtool on linked objects (scripts/Makefile.lib, delay-objtool; 6.1 to 7.2). */
const DELAYED = ["CONFIG_LTO_CLANG", "CONFIG_X86_KERNEL_IBT", "CONFIG_KLP_BUILD"];

/**
 * Variables with which objects are compiled that go into a livepatch. Where objtool runs on the livepatch when that is linked, it must
 * not have run on them: it passes over tables that are there already. kbuild runs it on modules of one source file all the same.
 */
export const objectVariables = (config: Config): readonly string[] =>
  DELAYED.some((option) => config.has(option)) ? ["objtool-enabled="] : [];

/** Options that say what compiler and tools can do; by themselves they are no part of the code. */
const OF_TOOLS =
  /^CONFIG_(?:CC_|GCC_VERSION|CLANG_VERSION|AS_|LD_|LLD_|RUSTC?_|PAHOLE|TOOLS_|HAVE_|BUILDTIME_|DEBUG_INFO_BTF|MODULE_ALLOW_BTF_MISMATCH|BINDGEN|ARCH_(?:HAS|HAVE|SUPPORTS|USES?)_)/;

/** Options of a configuration that became others: `CONFIG_X=y became CONFIG_X=n`, those of the tools left out. */
export function configChanges(wanted: Config, made: Config): string[] {
  const names = [...new Set([...wanted.keys(), ...made.keys()])].sort();
  return names
    .filter((name) => wanted.get(name) !== made.get(name) && !OF_TOOLS.test(name))
    .map((name) => `${name} (${wanted.get(name) ?? "n"} became ${made.get(name) ?? "n"})`);
}
