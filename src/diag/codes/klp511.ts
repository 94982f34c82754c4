import { define } from "../define.ts";

export default define<{ readonly module: string }>({
  level: "error",
  title: () => "the module has no vermagic= entry in .modinfo",
  why: (d) =>
    `without CONFIG_MODULE_FORCE_LOAD the kernel refuses it without a word; with it, it prints \`${d.module}: bad vermagic: kernel tainted.\` and loads it unchecked`,
  help: () => "build the module with kbuild, whose modpost writes vermagic, or link its NAME.mod.o in",
  explain:
    "Each module carries the release and main options of its kernel (vermagic). The loader takes a module without it as one that was forced, as by `modprobe --force`: kernels that are not configured to be forced refuse it, and say nothing.",
});
