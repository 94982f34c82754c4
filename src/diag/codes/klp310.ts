import { define } from "../define.ts";

export default define<{ readonly callee: string; readonly function: string }>({
  level: "warning",
  title: (d) => `no stdu found before the call to ${d.callee} in ${d.function} (rule I8)`,
  why: () => "the stub saves r2 at 24(r1), which must be this function's own frame",
  help: () => "look at the function's code; compilers always open a frame before a call",
  explain:
    "klplink looks for the instruction that opens a frame between the function's local entry and the call. It may stand in another part of the function after shrink-wrapping.",
});
