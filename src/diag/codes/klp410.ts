import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly symbol: string;
  readonly source: string;
  readonly command: string;
}>({
  level: "error",
  title: (d) => `${d.symbol} is in ${d.source}, but not exported to modules`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "an undefined symbol of a module is looked up among the exported ones only",
  help: (d) => `\`${d.command}\` makes it a livepatch symbol, which may name any symbol of the kernel`,
  fix: (d) => d.command,
  explain:
    "Livepatch code uses functions and data that were never meant for modules. Such a symbol must be a livepatch symbol: named .klp.sym.OBJECT.NAME,POSITION, with section index SHN_LIVEPATCH, and relocated from a .klp.rela section.",
});
