import { define } from "../define.ts";

export default define<{ readonly module: string; readonly symbol: string; readonly source: string }>({
  level: "error",
  title: (d) => `${d.symbol} is not exported: it is not in ${d.source}`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "the file lists all exports of the kernel that it was built with",
  help: () =>
    "give the kernel's symbols, too (-k System.map or -k vmlinux): klplink then makes a livepatch symbol of what is not exported",
  explain:
    "Module.symvers lists what vmlinux and the modules built with it export, and nothing else. An undefined symbol that it does not have is one that the loader does not find, unless a module from elsewhere exports it.",
});
