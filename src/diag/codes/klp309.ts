import { define } from "../define.ts";

export default define<{ readonly object: string; readonly version: string }>({
  level: "warning",
  title: (d) =>
    `kernel ${d.version} applies livepatch relocations for ${d.object} again when it is loaded a second time, and then refuses them (rule I21)`,
  kernel: () => "module_64: NAME: Expected nop after call, got e8410018 at ADDRESS",
  help: () => "unload the livepatch before the module is loaded again, or use kernel 6.3 or later",
  explain:
    "Before 6.3 the loader does not accept a word that it restored itself. Relocations of a module-specific section are applied at each load of that module.",
});
