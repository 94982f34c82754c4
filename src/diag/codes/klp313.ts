import { define } from "../define.ts";

export default define<{ readonly function: string; readonly reason: string }>({
  level: "error",
  title: (d) => `${d.function} cannot run in a mini frame: ${d.reason}`,
  why: () =>
    "with 32 more bytes between the function and its caller, it looks for arguments on the stack 32 bytes too near",
  help: () =>
    "use the default, --toc-restore island; if only the parameters are unknown, compile with -g, or give --force if all arguments are in registers",
  explain:
    "With --toc-restore mini-frame every replacement function (one whose address the module's data holds) runs in a 32-byte frame that returns to klp_return_helper. Its arguments must all be in registers: not variable, a prototype, eight doublewords at most, a by-value struct counted by its size. DWARF or BTF of the module must say so.",
});
