import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly symbol: string;
  readonly source: string;
  readonly near: readonly string[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is not in ${d.source}`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "the function may have been inlined, renamed by the compiler, or configured out of this kernel",
  help: (d) =>
    d.near.length > 0
      ? `did you mean ${d.near.map((n) => `\`${n}\``).join(" or ")}? use that name in the source, or give the symbol list of the right kernel`
      : "give the symbol list of the kernel that is to be patched",
  explain:
    "The module refers to a symbol that the kernel given with -k does not have, neither exported nor local. The loader would stop with the same symbol.",
});
