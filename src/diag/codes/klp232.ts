import { define } from "../define.ts";

export default define<{ readonly what: string; readonly message: string }>({
  level: "error",
  title: (d) => d.what,
  kernel: (d) => d.message,
  help: () => "link the module once, with kbuild (`make M=... modules`), and do not link two finished modules into one",
  explain:
    "The loader wants one section .modinfo and one .gnu.linkonce.this_module, which is loaded and holds the bytes of struct module. Two of them come from linking two modules, or a module twice, with `ld -r`.",
});
