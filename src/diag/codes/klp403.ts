import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string; readonly owners: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is not in vmlinux, but in module ${d.owners.join(", ")}, which does not export it`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "a symbol of a module gets its position from the module's own symbol table, which is not known here",
  help: (d) => `give the module itself: \`-m ${d.owners[0] ?? "MODULE"}.ko\``,
  explain:
    "The only symbol of this name belongs to a module and is not exported. With the module's .ko given with -m, klplink makes a livepatch symbol for it, and a relocation that waits until that module is loaded.",
});
