import { define } from "../define.ts";

export default define<{
  readonly what: string;
  readonly message: string | null;
  /** Compiler flags of the build that has the section. */
  readonly build?: string;
}>({
  level: "error",
  title: (d) => d.what,
  kernel: (d) => d.message,
  help: (d) =>
    d.build !== undefined
      ? `build the module with this kernel's own flags (${d.build})`
      : "link the module with the kernel's own linker script (scripts/module.lds)",
  explain:
    "The module lacks a section that the architecture's loader needs for the code it writes (.stubs on ppc64le, and .mygot if the kernel is built with PC-relative addressing; .plt, .init.plt and the ftrace trampolines on arm64), or that code does not fit.",
});
