import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly limit: number; readonly length: number }>({
  level: "error",
  title: (d) =>
    `the name of ${d.length} bytes is longer than a livepatch symbol can hold (${d.limit}): ${d.symbol.slice(0, 40)}…`,
  kernel: () => "livepatch: symbol NAME has an incorrectly formatted name",
  help: () => "use a shorter name; the kernel's KSYM_NAME_LEN sets the limit",
  explain: "The kernel reads at most 511 bytes of a symbol's name (127 before 6.1).",
});
