import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly object: string;
  readonly position: number;
  readonly count: number;
}>({
  level: "error",
  title: (d) =>
    `--sympos ${d.symbol}=${d.position}: there ${d.count === 1 ? "is 1 symbol" : `are ${d.count} symbols`} of that name in ${d.object}`,
  kernel: (d) => `livepatch: symbol position ${d.position} for symbol '${d.symbol}' in object '${d.object}' not found`,
  help: (d) => `give a number from 1 to ${d.count}, or leave it out where the name is unique`,
  explain:
    "A position counts the symbols of one name from 1: those of vmlinux by address, those of a module as its symbol table has them.",
});
