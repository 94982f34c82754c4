import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly position: number; readonly count: number }>({
  level: "error",
  title: (d) =>
    `--sympos ${d.symbol}=${d.position}: there ${d.count === 1 ? "is 1 symbol" : `are ${d.count} symbols`} of that name`,
  kernel: (d) => `livepatch: symbol position ${d.position} for symbol '${d.symbol}' in object '(null)' not found`,
  help: (d) => `give a number from 1 to ${d.count}, or leave it out where the name is unique`,
  explain: "A position counts the symbols of one name by address, from 1.",
});
