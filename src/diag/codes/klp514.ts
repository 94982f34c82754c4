import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string }>({
  level: "warning",
  title: (d) => `the module has no checksums, and the kernel has one for ${d.symbol}`,
  why: (d) =>
    `without CONFIG_MODULE_FORCE_LOAD the kernel refuses it without a word (insmod: Invalid module format); with it, it prints \`${d.module}: module_layout: kernel tainted.\`, once, and loads it unchecked`,
  help: () => "build the module with the Module.symvers of the kernel, so that modpost writes __versions",
  explain:
    "With CONFIG_MODVERSIONS the loader compares a checksum of each export, and first of all that of module_layout, with those in the module's __versions. A module that has none at all is one that was forced, as by `modprobe --force`: kernels that are not configured to be forced refuse it, and say nothing.",
});
