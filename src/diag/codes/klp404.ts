import { define } from "../define.ts";

export default define<{ readonly source: string }>({
  level: "error",
  title: (d) => `${d.source} shows no exported symbol, so exported and local ones cannot be told apart`,
  why: () => "an exported symbol NAME is one with __ksymtab_NAME beside it; this list has none",
  help: () =>
    "give the System.map of the kernel build, or a /proc/kallsyms read as root on a kernel with CONFIG_KALLSYMS_ALL",
  explain:
    "A symbol that the kernel exports stays an ordinary undefined symbol; all others become livepatch symbols. The list must show which is which.",
});
