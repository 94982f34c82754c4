import { define } from "../define.ts";

export default define<{ readonly what: string; readonly message: string; readonly help: string }>({
  level: "error",
  title: (d) => d.what,
  kernel: (d) => d.message,
  help: (d) => d.help,
  explain:
    "The loader counts sections by e_shnum alone, so a module has fewer than 65,280 of them (0xff00), and section header 0 is all zero. Since 6.13 the symbol string table must begin and end with a zero byte, too.",
});
