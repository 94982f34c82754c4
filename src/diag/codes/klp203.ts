import { define } from "../define.ts";

export default define<{
  readonly reloc: string;
  readonly symbol: string;
  readonly what: string;
  readonly message: string;
}>({
  level: "error",
  title: (d) => `${d.reloc}${d.symbol === "" ? "" : ` against ${d.symbol}`}: ${d.what}`,
  kernel: (d) => d.message,
  why: () => "the field cannot hold the value for the addresses that were given",
  help: () =>
    "check the addresses (--at, --sections) and the kernel's symbols first; if they are right, compile with the kernel's own flags",
  explain:
    "With the given addresses a relocation's value is too large for its field, or not a multiple of what the instruction counts in. The loader stops there. Modules are loaded near the kernel, so wrong addresses are the usual cause.",
});
