import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly symbol: string;
  readonly source: string;
  readonly near: readonly string[];
  /** Modules given with -m that were searched, too. */
  readonly searched?: readonly string[];
  /** Modules that the livepatch patches and that were not given: the symbol may be one of theirs. */
  readonly missing?: readonly string[];
}>({
  level: "error",
  title: (d) =>
    `${d.symbol} is not in ${d.source}${(d.searched ?? []).length > 0 ? `, nor in ${(d.searched ?? []).join(", ")}` : ""}`,
  // Where a module is missing, it is not certain that the loader would not find it.
  kernel: (d) => ((d.missing ?? []).length > 0 ? null : `${d.module}: Unknown symbol ${d.symbol} (err -2)`),
  why: (d) =>
    (d.missing ?? []).length > 0
      ? `the livepatch patches ${(d.missing ?? []).join(", ")}, which was not given, so the symbol may be one of that module`
      : "the function may have been inlined, renamed by the compiler, or configured out of this kernel",
  help: (d) => {
    const [missing] = d.missing ?? [];
    if (missing !== undefined) return `give the module: ${(d.missing ?? []).map((m) => `\`-m ${m}.ko\``).join(" ")}`;
    return d.near.length > 0
      ? `did you mean ${d.near.map((n) => `\`${n}\``).join(" or ")}? use that name in the source, or give the symbol list of the right kernel`
      : `give the symbol list of the kernel that is to be patched${(d.searched ?? []).length > 0 ? ", and" : ", or"} with -m the module that has the symbol`;
  },
  explain:
    "The module refers to a symbol that the kernel given with -k does not have, neither exported nor local, and no module given with -m. The loader looks for all symbols, prints such a line for each that it does not find, and then stops.",
});
