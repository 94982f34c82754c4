import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly owner: string; readonly patched: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is in module ${d.owner}, which this patch does not patch`,
  why: (d) =>
    `the kernel applies relocations for the objects of the patch only (${d.patched.join(", ")}), and none of them is known to need ${d.owner} loaded`,
  help: (d) => `give the patched module that depends on ${d.owner} with -m, or add ${d.owner} to the patch's objects`,
  explain:
    "A relocation against a symbol of a module waits in .klp.rela.OBJECT until OBJECT is loaded. OBJECT must be one that the patch names, and the symbol's module must be loaded by then.",
});
