import { define } from "../define.ts";

export default define<{ readonly first: string; readonly second: string; readonly message: string | null }>({
  level: "error",
  title: (d) => `two relocations write here: ${d.first} and ${d.second}`,
  kernel: (d) => d.message,
  why: (d) =>
    d.message === null
      ? "the second overwrites what the first has written, at another time"
      : "x86_64 refuses a place that is not zero, because it takes it for relocated before",
  help: () => "finish the file again from its intermediate form: the ordinary relocation should have been removed",
  explain:
    "A livepatch relocation and another one have bytes in common. One of them is left over from a tool that moved relocations only in part.",
});
