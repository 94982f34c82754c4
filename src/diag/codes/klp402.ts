import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly source: string;
  readonly positions: readonly { readonly position: number; readonly address: string; readonly letter: string }[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is the name of ${d.positions.length} symbols in ${d.source}`,
  kernel: (d) => `livepatch: unresolvable ambiguity for symbol '${d.symbol}' in object '(null)'`,
  why: (d) => d.positions.map((p) => `position ${p.position}: ${p.address} ${p.letter}`).join("; "),
  help: (d) => `say which one is meant: \`--sympos ${d.symbol}=N\``,
  explain:
    "Static functions of different files may share a name. A livepatch symbol then carries a position: the n-th of that name by address. klplink does not guess it, unless only one of them is global.",
});
