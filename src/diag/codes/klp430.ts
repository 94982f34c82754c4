import { define } from "../define.ts";

export default define<{ readonly target: string; readonly object: string; readonly symbol: string }>({
  level: "error",
  title: (d) => `${d.target} is read when the livepatch loads, but its relocation waits for ${d.object} (${d.symbol})`,
  why: () => "the kernel uses this table before relocations of modules are applied, with zero in this place",
  help: (d) =>
    d.target === "__jump_table"
      ? "use static_key_enabled() on keys of modules"
      : d.target === ".static_call_sites"
        ? "use KLP_STATIC_CALL() on static calls of modules"
        : "keep references to symbols of modules out of this table",
  explain:
    "Tables such as __jump_table and .altinstructions are worked through while the livepatch itself loads. Relocations in .klp.rela.MODULE come later, so such an entry points to nothing.",
});
