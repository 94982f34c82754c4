import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly object: string;
  readonly source: string;
  readonly position: number;
  readonly count: number;
}>({
  level: "error",
  title: (d) =>
    `${d.symbol} has position ${d.position}, but ${d.object} has ${d.count} symbol${d.count === 1 ? "" : "s"} of that name (${d.source})`,
  kernel: (d) => `livepatch: symbol position ${d.position} for symbol '${d.symbol}' in object '${d.object}' not found`,
  help: () => "build the patch for exactly this kernel; positions change from build to build",
  explain:
    "A position counts the symbols of one name in the object: those of vmlinux by address, those of a module in the order of its symbol table.",
});
