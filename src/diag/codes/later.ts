// What the loader takes and what fails later: when a patched module comes, when the code runs, when something is switched.

import { define } from "../define.ts";

export const KLP470 = define<{
  readonly name: string;
  readonly target: string;
  readonly object: string;
  /** The release whose loader is the first to write it through another mapping. */
  readonly since: string;
  readonly message: string;
}>({
  level: "warning",
  title: (d) =>
    `${d.name} in ${d.target} waits for ${d.object}: loaders before ${d.since} store it into read-only memory`,
  kernel: (d) => d.message,
  why: (d) =>
    `the section is read-only by the time that ${d.object} comes; unless the kernel has the fix of ${d.since}, it oopses, and ${d.object} stays half loaded`,
  help: (d) =>
    `see that the kernel has ${d.since === "5.16" ? "8734b41b3efe (5.15.11 has it, and distributions that support livepatching)" : "91b89a634487 (before 6.17 livepatching on arm64 is a distribution's own)"}, or reach the symbol through a pointer in writable data`,
  explain:
    "Relocations of a module's section are applied when both the livepatch and the module are loaded, after the livepatch's text and constants were made read-only. Loaders write them through a second mapping: on x86_64 and s390 since 5.8, on ppc64le (calls only) since 5.16, on arm64 since 6.17. Earlier loaders of ppc64le, from 5.14 on, and of arm64 store directly. Distributions have taken the fixes over into older kernels, so this is a warning.",
});

export const KLP471 = define<{ readonly object: string; readonly sites: number; readonly since: string }>({
  level: "warning",
  title: (d) => `calls that wait for ${d.object}: loaders before ${d.since} write their stubs over ftrace's own`,
  why: (d) =>
    `the kernel keeps the out-of-line halves of the module's ${d.sites} ftrace sites among its stubs, and takes one of them for a free stub`,
  help: () =>
    "see that the kernel has 5337609a3148 and f6b4df37ebfe (6.17.3 has them), or do not trace functions of the livepatch itself",
  explain:
    "On ppc64le a kernel with CONFIG_PPC_FTRACE_OUT_OF_LINE (since 6.13) puts half of each ftrace site behind the stubs of a module. A call in .klp.rela.MODULE needs a stub when the module comes; loaders before 6.18 look for the first entry without an address and find it inside those halves. Nothing is said; the kernel crashes when a function of the livepatch whose half was overwritten is traced.",
});
