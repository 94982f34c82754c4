import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly object: string }>({
  level: "warning",
  title: (d) => `${d.symbol} belongs to ${d.object}, but its relocation is applied when the livepatch loads`,
  why: (d) => `if ${d.object} is not loaded by then, the livepatch is refused`,
  help: (d) => `put it into a .klp.rela.${d.object} section, or make sure that ${d.object} is loaded first`,
  explain: "A .klp.rela.vmlinux section names a symbol of a module. It resolves only if that module is already loaded.",
});
