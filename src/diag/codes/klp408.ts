import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly module: string;
  /** The name as the loader prints it: that of ppc64 leaves out a leading dot. */
  readonly printed: string;
  /** What the symbol is in place of a livepatch symbol. */
  readonly is: "undefined" | "weak" | "defined";
}>({
  level: "error",
  title: (d) => `${d.symbol} is not marked as a livepatch symbol (st_shndx is not 0xff20)`,
  kernel: (d) => (d.is === "undefined" ? `${d.module}: Unknown symbol ${d.printed} (err -2)` : null),
  why: (d) =>
    d.is === "undefined"
      ? "the loader looks for an exported symbol of that full name; GNU `ld -r` turns livepatch symbols into such ones"
      : `the loader takes the symbol's value, 0, and says nothing; GNU \`ld -r\` makes ${d.is === "weak" ? "undefined" : "absolute"} ones of livepatch symbols`,
  help: () => "run klplink after the last `ld -r`, on the finished module",
  explain:
    "A symbol named .klp.sym.* must have section index SHN_LIVEPATCH (0xff20). If it is undefined (0), the loader treats it as any other undefined symbol; if it is weak, or absolute, the module loads and its code goes to address 0.",
});
