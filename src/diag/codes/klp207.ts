import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly message: string; readonly what: string }>({
  level: "error",
  title: (d) => d.what,
  kernel: (d) => d.message,
  help: () => "compile with the kernel's own flags (-fno-common) and link with `ld -r`",
  explain: "A symbol has a section index that the module loader does not take: a common symbol, or a reserved index.",
});
