import { define } from "../define.ts";

export default define<{ readonly section: string; readonly debug: readonly string[] }>({
  level: "warning",
  title: (d) => `debug information still counts from the old layout of ${d.section} (${d.debug.join(", ")})`,
  why: () =>
    "functions move to make room for islands; addresses in debug information follow, but lengths and line tables within one section are plain numbers that the assembler worked out",
  help: () => "compile with -ffunction-sections, so that nothing moves; the code itself is not affected",
  explain:
    "Where several functions share a section, an island moves the functions behind it. Debug information keeps function addresses right, but line numbers, ranges and variable locations behind the first moved function are off by the size of the islands before them.",
});
