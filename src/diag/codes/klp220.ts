import { define } from "../define.ts";

export default define<{
  readonly count: number;
  readonly expected: string;
  readonly found: string;
  readonly address: string;
}>({
  level: "error",
  title: (d) =>
    `${d.count} byte${d.count === 1 ? "" : "s"} at ${d.address}: ${d.found} in memory, ${d.expected} expected`,
  why: () => "no rewrite that the kernel is known to make explains it",
  help: () => "check that the file is the one that was loaded (srcversion, build id), and the kernel's version",
  explain:
    "The loaded module's memory differs from what the loader makes of the file, at a place that is in none of the module's tables of rewritten code. Another build of the module, memory that was patched by hand, or a fault of klplink.",
});
