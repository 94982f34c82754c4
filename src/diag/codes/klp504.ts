import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string; readonly namespace: string }>({
  level: "error",
  title: (d) => `${d.symbol} is in namespace ${d.namespace}, which the module does not import`,
  kernel: (d) => `${d.module}: module uses symbol (${d.symbol}) from namespace ${d.namespace}, but does not import it.`,
  help: (d) => `add MODULE_IMPORT_NS("${d.namespace}") (before 6.13 without the quotation marks)`,
  explain: "Exports may belong to a namespace. A module that uses one must have import_ns=NAMESPACE in .modinfo.",
});
