import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly offset: string }>({
  level: "error",
  title: (d) =>
    `the patch of ${d.symbol} would have no effect: the kernel takes the site at ${d.symbol}+${d.offset} for it`,
  why: (d) =>
    `behind ${d.symbol} stands the code of a weak function that another one overrides: without a name, but with a site`,
  help: () => "patch its callers instead",
  explain:
    "The livepatch core looks for a site from a function's first byte up to the next symbol, and takes whichever its search meets first (ftrace_location; 6.1, 6.12 and 7.2 alike). The body of an overridden weak function keeps its site and loses its name, so it lies in the range of the function before it. The patch is then accepted, nothing is logged, and the old function goes on running. Kernels whose build removes such entries (x86_64 and arm64 of 7.2) do not have it; klplink reads the table of the vmlinux that it is given.",
});
