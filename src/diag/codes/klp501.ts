import { define } from "../define.ts";

export default define<{ readonly module: string }>({
  level: "warning",
  title: () => "the module has livepatch relocations, but no livepatch= entry in .modinfo",
  why: () => "without it the kernel keeps neither symbols nor relocations for a patched module that is loaded later",
  help: () => 'add MODULE_INFO(livepatch, "Y"); to the module\'s source',
  explain:
    "The kernel keeps a module's symbol table and relocation sections for later use only if .modinfo marks it as a livepatch.",
});
