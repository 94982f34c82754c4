import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string }>({
  level: "error",
  title: (d) => `the module has no checksum for ${d.symbol}`,
  kernel: (d) => `${d.module}: no symbol version for ${d.symbol}`,
  help: () => "build the module with the Module.symvers of the kernel, so that modpost writes it",
  explain:
    "The kernel has a checksum for this export (CONFIG_MODVERSIONS), but the module's __versions does not name it.",
});
