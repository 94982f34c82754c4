import { define } from "../define.ts";

export default define<{
  readonly asked: string;
  readonly symbol: string;
  /** The object that the file's symbol of that name is taken from; null if it has none of that name. */
  readonly object: string | null;
  readonly near: readonly string[];
  /** The livepatch symbol that the file has already, with another position; null if it has none. */
  readonly has: string | null;
}>({
  level: "warning",
  title: (d) =>
    d.has === null
      ? `--sympos ${d.asked} is about no symbol of this file`
      : `--sympos ${d.asked} changes nothing: the file has ${d.has} already`,
  why: (d) => {
    if (d.has !== null) return "a symbol that is a livepatch symbol keeps the position that it has";
    return d.object === null
      ? `the file has no undefined symbol and no livepatch symbol called ${d.symbol}`
      : `${d.symbol} is taken from ${d.object}`;
  },
  help: (d) => {
    if (d.has !== null) return "link the object from before with --sympos";
    return d.near.length > 0
      ? `is ${d.near.map((name) => `\`${name}\``).join(" or ")} meant?`
      : "`klplink show` lists the undefined symbols; that of a module may be written MODULE:NAME=N";
  },
  explain:
    "--sympos NAME=N says which of several symbols of one name an undefined symbol of the file means. A name that the file does not use, or that has its position already, changes nothing.",
});
