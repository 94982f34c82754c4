import { define } from "../define.ts";

export default define<{ readonly name: string }>({
  level: "error",
  title: (d) => `section ${d.name} holds livepatch relocations, but its name does not say for which object`,
  kernel: (d) => `livepatch: section ${d.name} has an incorrectly formatted name`,
  help: () => "the form is .klp.rela.OBJECT.SECTION: OBJECT is vmlinux or a module's name",
  explain:
    "A section with the flag SHF_RELA_LIVEPATCH (0x100000) must be named .klp.rela.OBJECT.SECTION. The kernel reads OBJECT from it and refuses the module if there is none.",
});
