import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  /** Section index of the symbol table, and the relocation's number in its section: both stand in newer messages. */
  readonly table: number;
  readonly row: number;
  readonly withIndex: boolean;
}>({
  level: "error",
  title: (d) =>
    `${d.symbol === "" ? "a relocation without a symbol" : d.symbol} is in a livepatch section, but is no livepatch symbol`,
  kernel: (d) =>
    d.withIndex
      ? `livepatch: symbol ${d.symbol} at rela sec ${d.table} idx ${d.row} is not marked as a livepatch symbol`
      : `livepatch: symbol ${d.symbol} is not marked as a livepatch symbol`,
  why: () => "each symbol of a .klp.rela section must have the section index SHN_LIVEPATCH (0xff20)",
  help: () => "run klplink on the file as it was before other tools finished or joined it",
  explain:
    "Relocations in .klp.rela sections are resolved by the livepatch core. It takes symbols with st_shndx 0xff20 only, and refuses the module at the first other one.",
});
