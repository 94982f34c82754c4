import { define } from "../define.ts";

export default define<{ readonly name: string; readonly addend: string }>({
  level: "error",
  title: (d) => `${d.name} has no symbol: the place gets ${d.addend}, whatever was meant`,
  brief: (d) => `${d.name} has no symbol`,
  why: () =>
    "GNU objcopy and strip do not know sections of livepatch relocations: they keep one and put the others' entries elsewhere, without their symbols",
  help: () => "strip the module first and finish it then: klplink runs last",
  explain:
    "A relocation of a livepatch module names no symbol. GNU `objcopy` and `strip` (also by INSTALL_MOD_STRIP) leave a finished livepatch in that state, without an error; the kernel loads it without a word and the patched code jumps to address 0. LLVM's tools refuse such modules.",
});
