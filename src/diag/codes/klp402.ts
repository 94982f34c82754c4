import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly symbol: string;
  /** `vmlinux`, or the module that has the symbols. */
  readonly object: string;
  readonly source: string;
  readonly candidates: readonly { readonly position: number; readonly place: string; readonly letter: string }[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is the name of ${d.candidates.length} symbols in ${d.source}`,
  // As it stands the symbol is an ordinary undefined one, and not exported.
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: (d) => d.candidates.map((p) => `position ${p.position}: ${p.place} ${p.letter}`).join("; "),
  help: (d) => `say which one is meant: \`--sympos ${d.object === "vmlinux" ? "" : `${d.object}:`}${d.symbol}=N\``,
  explain:
    "Static functions of different files may share a name. A livepatch symbol then carries a position: in vmlinux the n-th of that name by address, in a module the n-th of its symbol table. With position 0 the kernel says `unresolvable ambiguity for symbol`. klplink does not guess it, unless only one of them is global.",
});
