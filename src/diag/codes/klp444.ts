import { define } from "../define.ts";

export default define<{
  readonly function: string;
  readonly size: number;
  readonly seen: number;
  readonly next: string;
}>({
  level: "warning",
  title: (d) =>
    `the kernel takes ${d.function} for ${d.seen} bytes, not ${d.size}: ${d.next === "" ? "it ends" : d.next} follows`,
  why: () => "sizes are distances between symbols; the stack check would miss tasks in the rest of the function",
  help: () => "make labels in the function local: names that begin with .L",
  explain:
    "The livepatch core waits until no task is in a function. It knows the function's size only from the next symbol, so a named label inside cuts it short.",
});
