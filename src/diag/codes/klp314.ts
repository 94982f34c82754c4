import { define } from "../define.ts";

export default define<{
  /** What each source says; empty if none says anything. */
  readonly told: readonly { readonly source: string; readonly threadInfo: number; readonly stackPointer: number }[];
}>({
  level: "error",
  title: (d) =>
    d.told.length === 0
      ? "where the kernel keeps the livepatch stack is not known"
      : "the files disagree on where the kernel keeps the livepatch stack, or it is out of reach",
  why: (d) =>
    d.told.length === 0
      ? "a klp_stub finds it through the paca and thread_info, whose layout depends on the kernel's configuration"
      : d.told.map((t) => `${t.source}: ${t.threadInfo},${t.stackPointer}`).join("; "),
  help: () =>
    "give the kernel's vmlinux with -k, a module with DWARF, or the two offsets: --livepatch-stack PACA,THREAD_INFO",
  explain:
    "--toc-restore shadow-stack writes code that uses the livepatch stack. It needs the offset of the current thread_info in the paca, and of livepatch_sp in thread_info. klplink takes them from vmlinux's livepatch_handler, from BTF or DWARF, or as given, and they must agree. Offsets of another kernel would corrupt memory.",
});
