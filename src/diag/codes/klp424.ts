import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly owners: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is in several of the modules given: ${d.owners.join(", ")}`,
  help: () => "give with -m only the modules that the patch changes or needs",
  explain: "An undefined symbol is local to more than one module, and nothing says which one is meant.",
});
