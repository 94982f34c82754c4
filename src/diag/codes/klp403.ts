import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string; readonly owners: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is not in vmlinux, but in module ${d.owners.join(", ")}, which does not export it`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "symbols of modules need livepatch relocations of their own, which klplink does not make yet",
  help: () => "convert these symbols with the tool that made the object, then run klplink on its output",
  explain: "The only symbol of this name belongs to a module and is not exported.",
});
