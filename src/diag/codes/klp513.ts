import { define } from "../define.ts";

export default define<{ readonly what: string; readonly message: string; readonly help: string }>({
  level: "error",
  title: (d) => d.what,
  kernel: (d) => d.message,
  help: (d) => d.help,
  explain:
    "What modpost writes of exports and namespaces differs between kernels: since 6.16 no module may import a namespace `module:...` by name, and since 7.0 exports need flags in __kflagstab.",
});
