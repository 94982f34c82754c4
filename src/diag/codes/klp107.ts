import { define } from "../define.ts";

export default define<{
  readonly several: boolean;
  /** Null: the file is no module but a linked one, vmlinux. */
  readonly module: string | null;
}>({
  level: "error",
  title: (d) => (d.several ? "the file has several symbol tables" : "the file has no symbol table"),
  kernel: (d) => (d.module === null ? null : `${d.module}: module has no symbols (stripped?)`),
  help: (d) =>
    d.module === null
      ? "give the unstripped file: vmlinux of the build, or of the package with debug information"
      : "link the unstripped file; `strip --strip-debug` keeps what a module needs, plain `strip` does not",
  explain: "The loader wants exactly one SHT_SYMTAB section. A module that was stripped has none.",
});
