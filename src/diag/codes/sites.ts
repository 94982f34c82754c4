// Patch sites and the model of how they are rewritten.

import { define } from "../define.ts";

export const KLP601 = define<{ readonly path: string; readonly what: string }>({
  level: "error",
  title: (d) => `not a patch-site protocol: ${d.path === "" ? "" : `${d.path}: `}${d.what}`,
  help: () => "docs/model.md describes the form; `klplink model NAME --source` prints a protocol to start from",
  explain:
    "The file given to `klplink model` is not JSON, or a field has a wrong form, or a name in it refers to nothing. The path names the field, as in `writer[2].write`.",
});

export const KLP602 = define<{ readonly symbol: string; readonly offset: string }>({
  level: "error",
  title: (d) =>
    `the patch of ${d.symbol} would have no effect: the kernel takes the site at ${d.symbol}+${d.offset} for it`,
  why: (d) =>
    `behind ${d.symbol} stands the code of a weak function that another one overrides: without a name, but with a site`,
  help: () => "patch its callers instead",
  explain:
    "The livepatch core looks for a site from a function's first byte up to the next symbol, and takes whichever its search meets first (ftrace_location; 6.1, 6.12 and 7.2 alike). The body of an overridden weak function keeps its site and loses its name, so it lies in the range of the function before it. The patch is then accepted, nothing is logged, and the old function goes on running. Kernels whose build removes such entries (x86_64 and arm64 of 7.2) do not have it; klplink reads the table of the vmlinux that it is given.",
});

export const KLP603 = define<{ readonly symbol: string; readonly offset: string }>({
  level: "warning",
  title: (d) =>
    `the patch of ${d.symbol} may have no effect: the kernel may take the site at ${d.symbol}+${d.offset} for it`,
  why: (d) =>
    `behind ${d.symbol} stands the code of a weak function that another one overrides; which of the two sites is found depends on the kernel's page size`,
  help: () => "after loading the patch, see that it is in force",
  explain:
    "As KLP602, where vmlinux alone does not decide which site is found: the search begins in the middle of a table that is cut into groups of pages.",
});
