import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly object: string }>({
  level: "error",
  title: (d) => `${d.symbol} of ${d.object} cannot be patched: ftrace knows no place in it`,
  kernel: (d) => `livepatch: failed to find location for function '${d.symbol}'`,
  why: () => "the function was compiled without a profiling call: notrace, noinstr, assembly, or a .cold part",
  help: () => "patch its callers instead",
  explain:
    "A livepatch hooks a function at its profiling call. Functions that are not listed in __mcount_loc have none.",
});
