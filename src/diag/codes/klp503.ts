import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string; readonly license: string }>({
  level: "error",
  title: (d) => `${d.symbol} is for GPL-compatible modules only, and the licence is \`${d.license}\``,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  help: () => 'add MODULE_LICENSE("GPL") if that is the module\'s licence',
  explain: "Symbols exported with EXPORT_SYMBOL_GPL are not shown to modules whose licence is missing or another one.",
});
