import { define } from "../define.ts";

export default define<{ readonly helper: string; readonly fixable: boolean; readonly command: string }>({
  level: "error",
  title: (d) => `${d.helper} is not in the module (rule I5)`,
  brief: (d) => d.helper,
  why: () =>
    "register save and restore helpers run without a frame of their own, so they cannot be reached through a stub",
  help: (d) =>
    d.fixable
      ? `\`${d.command}\` puts it into the module, as \`ld -r --save-restore-funcs\` does`
      : "link the module with `ld -r --save-restore-funcs`, or add crtsavres.o of the kernel build",
  fix: (d) => (d.fixable ? d.command : null),
  explain:
    "With -Os, gcc calls _savegpr0_N and its kind at a function's start and end. They use r0, r11, r12 and LR in their own way and must be part of the module. Kernel builds link them in; klplink does, too, unless the name was made a livepatch symbol already.",
});
