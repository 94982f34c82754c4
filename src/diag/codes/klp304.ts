import { define } from "../define.ts";

export default define<{ readonly function: string; readonly follower: string; readonly section: string }>({
  level: "error",
  title: (d) => `no island is possible in ${d.function}: ${d.follower} stands behind it in ${d.section} (rule I9)`,
  why: () =>
    "the livepatch core charges an address to the nearest symbol before it, so an island at the section's end would belong to the last function, and the stack check would miss this one",
  help: () => "compile with -ffunction-sections, so that each function has a section of its own",
  explain:
    "Islands are appended to the section of the function that they serve. They must belong to that function for the kernel's stack check, which knows symbols only, not sizes. So the function must be the last in its section.",
});
