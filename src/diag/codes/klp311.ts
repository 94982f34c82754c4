import { define } from "../define.ts";

export default define<{ readonly moved: readonly string[]; readonly reason: string }>({
  level: "warning",
  title: (d) => `debug information keeps telling of the old layout of ${d.moved.join(", ")}: ${d.reason}`,
  brief: (d) => d.reason,
  why: () =>
    "functions move to make room for islands; debug information follows where it is understood, and this piece of it is not, so lines or variables that it tells of may be off",
  help: () => "compile with -ffunction-sections, so that nothing moves; the code itself is not affected",
  explain:
    "Where several functions share a section, an island moves the functions behind it, and klplink rewrites the debug information: line programs, ranges, location lists, lengths. What it does not understand (a version that is not known, damaged data, split debug information in a file of its own) keeps the old layout: there, line numbers and variables behind the first moved function are off by the size of the islands before them.",
});
