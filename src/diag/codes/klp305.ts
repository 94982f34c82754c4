import { define } from "../define.ts";

export default define<{ readonly helper: string }>({
  level: "error",
  title: (d) => `${d.helper} is not in the module (rule I5)`,
  why: () =>
    "register save and restore helpers run without a frame of their own, so they cannot be reached through a stub",
  help: () => "link the module with `ld -r --save-restore-funcs`, or add crtsavres.o of the kernel build",
  explain:
    "With -Os, gcc calls _savegpr0_N and its kind at a function's start and end. They use r0, r11, r12 and LR in their own way and must be part of the module.",
});
