import { define } from "../define.ts";

export default define<{ readonly module: string; readonly count: number; readonly names: readonly string[] }>({
  level: "error",
  title: (d) =>
    `${d.count} undefined symbol${d.count === 1 ? "" : "s"} and no kernel to look in: ${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""}`,
  help: () => "give the kernel's symbols with -k (System.map, or /proc/kallsyms of the running kernel)",
  explain: "An image has final addresses. Those of the kernel's symbols are known from -k only.",
});
