import { define } from "../define.ts";

export default define<{ readonly what: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.what} has no empty entry at its end`,
  why: (d) => `the kernel reads on behind ${d.section} and takes what it finds there for entries`,
  help: () => "end the array with an empty entry, `{ }`",
  explain:
    "klp_enable_patch goes through an array until it meets an entry of zeros. Here the array is the last thing of its section, and has none: what follows in memory depends on how the module is laid out.",
});
