import { define } from "../define.ts";

export default define<{
  readonly asked: string;
  readonly symbol: string;
  /** The object that the file's symbol of that name is taken from; null if it has none of that name. */
  readonly object: string | null;
  readonly near: readonly string[];
}>({
  level: "warning",
  title: (d) => `--sympos ${d.asked} is about no symbol of this file`,
  why: (d) =>
    d.object === null
      ? `the file has no undefined symbol and no livepatch symbol called ${d.symbol}`
      : `${d.symbol} is taken from ${d.object}`,
  help: (d) =>
    d.near.length > 0
      ? `is ${d.near.map((name) => `\`${name}\``).join(" or ")} meant?`
      : "`klplink show` lists the undefined symbols; that of a module may be written MODULE:NAME=N",
  explain:
    "--sympos NAME=N says which of several symbols of one name an undefined symbol of the file means. A name that the file does not use changes nothing.",
});
