import { define } from "../define.ts";

export default define<{ readonly module: string }>({
  level: "error",
  title: () => "the module is a livepatch, but has no livepatch= entry in .modinfo",
  kernel: (d) => `livepatch: module ${d.module} is not marked as a livepatch module`,
  help: () => 'add MODULE_INFO(livepatch, "Y"); to the module\'s source',
  explain:
    "The kernel keeps a module's symbol table and relocation sections for later use only if .modinfo marks it as a livepatch.",
});
