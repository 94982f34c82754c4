import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly object: string;
  readonly source: string;
  readonly near: readonly string[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is not in ${d.object} (${d.source})`,
  kernel: (d) => `livepatch: symbol '${d.symbol}' not found in symbol table`,
  why: () => "the function may have been inlined, renamed by the compiler, or configured out of this kernel",
  help: (d) =>
    d.near.length > 0
      ? `did you mean ${d.near.map((n) => `\`${n}\``).join(" or ")}? build the patch for exactly this kernel`
      : "build the patch for exactly this kernel",
  explain:
    "A livepatch symbol, or an entry of the patch's tables, names a function or variable that the object does not have. Numbers at the end of local statics differ from build to build.",
});
