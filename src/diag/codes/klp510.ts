import { define } from "../define.ts";

export default define<{ readonly module: string }>({
  level: "error",
  title: () => "the module enables a livepatch, but has no livepatch= entry in .modinfo",
  kernel: (d) => `livepatch: module ${d.module} is not marked as a livepatch module`,
  help: () => 'add MODULE_INFO(livepatch, "Y"); to the module\'s source',
  explain:
    "klp_enable_patch refuses a patch of a module that .modinfo does not mark as a livepatch, so the module's init function fails.",
});
