import { define } from "../define.ts";

export default define<{ readonly several: boolean; readonly module: string }>({
  level: "error",
  title: (d) => (d.several ? "the file has several symbol tables" : "the file has no symbol table"),
  kernel: (d) => `${d.module}: module has no symbols (stripped?)`,
  help: () => "link the unstripped file; `strip --strip-debug` keeps what a module needs, plain `strip` does not",
  explain: "The loader wants exactly one SHT_SYMTAB section. A module that was stripped has none.",
});
