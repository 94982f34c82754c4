import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly object: string;
  readonly source: string;
  readonly count: number;
}>({
  level: "error",
  title: (d) => `${d.symbol} has position 0, but ${d.count} symbols of ${d.object} have that name (${d.source})`,
  kernel: (d) =>
    `livepatch: unresolvable ambiguity for symbol '${d.symbol}' in object '${d.object === "vmlinux" ? "(null)" : d.object}'`,
  help: (d) => `give the position of the one that is meant, 1 to ${d.count}`,
  explain:
    "Position 0 says that the name is unique. The kernel refuses it when there are several symbols of that name in the object.",
});
