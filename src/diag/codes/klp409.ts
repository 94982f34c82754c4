import { define } from "../define.ts";

export default define<{ readonly symbol: string }>({
  level: "error",
  title: (d) => `symbol ${d.symbol} has an incorrectly formatted name`,
  kernel: (d) => `livepatch: symbol ${d.symbol} has an incorrectly formatted name`,
  help: () => "the form is .klp.sym.OBJECT.NAME,POSITION: OBJECT of 1 to 55 bytes without a dot, NAME without a comma",
  explain: "The kernel takes a livepatch symbol's name apart into object, name and position, and stops when it cannot.",
});
