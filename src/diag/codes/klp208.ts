import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly message: string }>({
  level: "error",
  title: (d) => (d.symbol === "" ? "a livepatch relocation section cannot be used" : `${d.symbol} cannot be resolved`),
  kernel: (d) => d.message,
  help: () => "give the symbols of the kernel and of the patched modules (-k: its /proc/kallsyms); see `klplink check`",
  explain:
    "The livepatch core looks a section's symbols up by object, name and position just before it applies the section. One of them is not there, is there several times, or has a name that the core cannot read.",
});
