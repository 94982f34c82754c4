import { define } from "../define.ts";

export default define<{ readonly name: string; readonly lacks: "type" | "flag" }>({
  level: "error",
  title: (d) =>
    d.lacks === "type"
      ? `${d.name} is no relocation section any more`
      : `${d.name} is not marked as livepatch relocations (flag 0x100000)`,
  why: (d) =>
    d.lacks === "type"
      ? "GNU ld does not know such sections: `ld -r` has taken it for data"
      : "the loader takes it for ordinary relocations, and its symbols for addresses that are known already",
  help: () => "finish the file again from its intermediate form, after the last `ld -r`: klplink runs last",
  explain:
    "A section has the name of livepatch relocations (.klp.rela.OBJECT.SECTION), but not their type SHT_RELA or not the flag SHF_RELA_LIVEPATCH. The livepatch core goes by the flag, so what is in the section is never applied, or at the wrong time.",
});
