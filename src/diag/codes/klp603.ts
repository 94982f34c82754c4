import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly offset: string }>({
  level: "warning",
  title: (d) =>
    `the patch of ${d.symbol} may have no effect: the kernel may take the site at ${d.symbol}+${d.offset} for it`,
  why: (d) =>
    `behind ${d.symbol} stands the code of a weak function that another one overrides; which of the two sites is found depends on the kernel's page size`,
  help: () => "after loading the patch, see that it is in force",
  explain:
    "As KLP602, where vmlinux alone does not decide which site is found: the search begins in the middle of a table that is cut into groups of pages.",
});
