import { define } from "../define.ts";

export default define<{ readonly section: string; readonly given: string; readonly expected: string }>({
  level: "warning",
  title: (d) => `${d.section} is at ${d.given}, but the loader would put it at ${d.expected}`,
  why: () => "the addresses belong to another build of the module, or to a kernel of another version",
  help: () =>
    "give the addresses of this very module, and --kernel-version if its vermagic is not the running kernel's",
  explain:
    "The given section addresses do not agree with the order and alignment in which the loader lays sections out. The given ones are used.",
});
