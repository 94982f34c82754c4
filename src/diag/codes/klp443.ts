import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly where: string }>({
  level: "error",
  title: (d) => `the replacement of ${d.symbol} is ${d.where}`,
  why: () => "calls of the patched function would be sent there",
  help: () => "new_func must be a function of this module",
  explain: "new_func of an entry points to something that is no code of the livepatch module.",
});
