import { define } from "../define.ts";

export default define<{ readonly name: string; readonly target: string }>({
  level: "error",
  title: (d) => `${d.name} relocates ${d.target === "" ? "no section" : d.target}, which is not loaded`,
  why: () => "the kernel skips such a section for vmlinux without a word, and writes to freed memory for a module",
  help: () => "sh_info of a livepatch relocation section is the index of the section that it relocates",
  explain: "The target of a .klp.rela section (its sh_info) must be a section with SHF_ALLOC.",
});
