import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string; readonly owner: string }>({
  level: "error",
  title: (d) => `${d.symbol} is exported by ${d.owner} already`,
  kernel: (d) => `${d.module}: exports duplicate symbol ${d.symbol} (owned by ${d.owner})`,
  help: () => "a livepatch exports nothing: remove EXPORT_SYMBOL from copied code",
  explain: "Two objects cannot export one name. Copied source files often bring an EXPORT_SYMBOL along.",
});
