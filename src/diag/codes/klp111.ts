import { define } from "../define.ts";

export default define<{ readonly own: string; readonly source: string; readonly other: string }>({
  level: "error",
  title: (d) => `the module is for ${d.own}, and ${d.source} for ${d.other}`,
  help: (d) => `give the files of a kernel for ${d.own} with -k, -m and --reference`,
  explain:
    "A file that was given for the kernel is of another architecture than the module. vmlinux and modules say so in their ELF header; a symbol list shows it by the address of the kernel's text (`_stext`). Nothing that it tells would hold for the module.",
});
