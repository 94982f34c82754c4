import { define } from "../define.ts";

export default define<{ readonly symbol: string }>({
  level: "error",
  title: (d) => `an ordinary relocation against ${d.symbol}, which is not resolved by then: address 0 is written`,
  why: () => "the loader leaves livepatch symbols alone; they get their value when a .klp.rela section is applied",
  help: () => "move the relocation into a .klp.rela section of the symbol's object: finish the file with klplink",
  explain:
    "A relocation against a livepatch symbol stands outside the livepatch sections. The loader applies it with the symbol's stored value, 0, and says nothing.",
});
