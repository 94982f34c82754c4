import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly module: string;
  /** The name as the loader prints it: that of ppc64 leaves out a leading dot. */
  readonly printed: string;
  /** What the symbol is in place of a livepatch symbol. */
  readonly is: "undefined" | "weak" | "defined";
  /** The parts of the name, where the file shows no sign of a livepatch that something has spoiled: it was written by hand. */
  readonly written?: { readonly object: string; readonly name: string; readonly position: number } | "malformed";
}>({
  level: "error",
  title: (d) =>
    d.written === "malformed"
      ? `symbol ${d.symbol} has an incorrectly formatted name, and is not marked as a livepatch symbol`
      : `${d.symbol} is not marked as a livepatch symbol (st_shndx is not 0xff20)`,
  kernel: (d) => (d.is === "undefined" ? `${d.module}: Unknown symbol ${d.printed} (err -2)` : null),
  why: (d) => {
    if (d.is !== "undefined") {
      return `the loader takes the symbol's value, 0, and says nothing; GNU \`ld -r\` makes ${d.is === "weak" ? "undefined" : "absolute"} ones of livepatch symbols`;
    }
    return d.written === undefined
      ? "the loader looks for an exported symbol of that full name; GNU `ld -r` turns livepatch symbols into such ones"
      : "the name alone makes no livepatch symbol: the loader looks for an exported symbol of that full name";
  },
  help: (d) => {
    if (d.written === undefined) return "run klplink after the last `ld -r`, on the finished module";
    if (d.written === "malformed") {
      return "use the symbol's own name in the source, and klplink names and marks it; the form is .klp.sym.OBJECT.NAME,POSITION";
    }
    const { object, name, position } = d.written;
    const where = object === "vmlinux" ? "`-k vmlinux`" : `\`-k vmlinux -m ${object}.ko\``;
    const which =
      position > 0 ? ` and \`--sympos ${object === "vmlinux" ? "" : `${object}:`}${name}=${position}\`` : "";
    return `use the name \`${name}\` in the source: klplink with ${where}${which} names and marks the symbol, and moves its relocations`;
  },
  explain:
    "A symbol named .klp.sym.* must have section index SHN_LIVEPATCH (0xff20), and its relocations stand in a .klp.rela section. If it is undefined (0), the loader treats it as any other undefined symbol; if it is weak, or absolute, the module loads and its code goes to address 0.",
});
