import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly owner: string }>({
  level: "error",
  title: (d) => `module ${d.owner} exports ${d.symbol}, but where it is loaded is not known`,
  help: (d) =>
    `give its section addresses: -m ${d.owner}.ko@/sys/module/${d.owner}/sections (or a copy), or the /proc/kallsyms of that kernel with -k`,
  explain:
    "An image has final addresses. A symbol that another module exports has one only where that module is loaded: its file alone (-m) does not tell.",
});
