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
  why: () => "the bits that the instruction or the data word has for the value are too few for it",
  help: () =>
    "compile through the kernel's build system, with the kernel's own flags; if addresses were given (--at, --sections), check them and the kernel's symbols first",
  explain:
    "With the given addresses a relocation's value is too large for its field, or not a multiple of what the instruction counts in. The loader stops there. Modules are loaded near the kernel, so wrong addresses are the usual cause.",
});
