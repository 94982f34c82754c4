import { define } from "../define.ts";

export default define<{ readonly name: string }>({
  level: "error",
  title: (d) => `${d.name} is not kept in memory (no SHF_ALLOC), but is needed later`,
  why: () => "the kernel reads the section when its object is loaded; by then the copy of the file is freed",
  help: () => "set SHF_ALLOC on livepatch relocation sections; `objcopy` and old tools drop it",
  explain:
    "Relocation sections are thrown away after a module has loaded. Livepatch ones must be part of the module (SHF_ALLOC), since they are applied when the patched module is there.",
});
