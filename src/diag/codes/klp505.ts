import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly symbol: string;
  readonly own: number;
  readonly kernel: number;
}>({
  level: "error",
  title: (d) => `${d.symbol} has another checksum in the kernel: ${hex(d.kernel)}, the module has ${hex(d.own)}`,
  kernel: (d) => `${d.module}: disagrees about version of symbol ${d.symbol}`,
  why: () => "the types that the function uses have changed between the two builds",
  help: () => "build the module against exactly this kernel",
  explain:
    "With CONFIG_MODVERSIONS each export has a checksum of its type. A module keeps those that it was built with, and the loader compares them.",
});

const hex = (crc: number): string => `0x${crc.toString(16).padStart(8, "0")}`;
