import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly module: string }>({
  level: "error",
  title: (d) => `${d.symbol} is not marked as a livepatch symbol (st_shndx is not 0xff20)`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () =>
    "the loader looks for an exported symbol of that full name; GNU `ld -r` turns livepatch symbols into such ones",
  help: () => "run klplink after the last `ld -r`, on the finished module",
  explain:
    "A symbol named .klp.sym.* must have section index SHN_LIVEPATCH (0xff20). If it is undefined (0), the loader treats it as any other undefined symbol.",
});
