import { define } from "../define.ts";

export default define<{ readonly function: string; readonly reason: string }>({
  level: "error",
  title: (d) => `${d.function} cannot restore its caller's TOC at its returns: ${d.reason}`,
  help: () => "use the default, --toc-restore island: the kernel's livepatch_handler restores the caller's TOC",
  explain:
    "With --toc-restore epilogue every return of a replacement function (one whose address the module's data holds) becomes a branch to a sequence that restores r2. That needs returns that are the function's own, and callers that all come through ftrace.",
});
