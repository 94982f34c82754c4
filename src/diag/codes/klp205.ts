import { define } from "../define.ts";

export default define<{
  readonly reloc: string;
  readonly symbol: string;
  readonly value: string;
  readonly bits: number;
}>({
  level: "warning",
  title: (d) =>
    `${d.reloc}${d.symbol === "" ? "" : ` against ${d.symbol}`}: ${d.value} is cut to ${d.bits} bits, and the kernel does not notice`,
  why: () => "the loader has no range check for this type: the module loads, and the code uses a wrong address",
  help: () => "check the addresses (--at, --sections) and the kernel's symbols",
  explain:
    "The kernel stores the low bits of the value without a check. Between a module and the kernel that it is loaded into this does not happen; with wrong addresses it does.",
});
