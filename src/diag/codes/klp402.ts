import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  /** `vmlinux`, or the module that has the symbols. */
  readonly object: string;
  readonly source: string;
  readonly candidates: readonly { readonly position: number; readonly place: string; readonly letter: string }[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is the name of ${d.candidates.length} symbols in ${d.source}`,
  kernel: (d) =>
    `livepatch: unresolvable ambiguity for symbol '${d.symbol}' in object '${d.object === "vmlinux" ? "(null)" : d.object}'`,
  why: (d) => d.candidates.map((p) => `position ${p.position}: ${p.place} ${p.letter}`).join("; "),
  help: (d) => `say which one is meant: \`--sympos ${d.object === "vmlinux" ? "" : `${d.object}:`}${d.symbol}=N\``,
  explain:
    "Static functions of different files may share a name. A livepatch symbol then carries a position: in vmlinux the n-th of that name by address, in a module the n-th of its symbol table. klplink does not guess it, unless only one of them is global.",
});
