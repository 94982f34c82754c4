import { define } from "../define.ts";

export default define<{ readonly addend: string; readonly likely: string }>({
  level: "error",
  title: (d) => `the addend ${d.addend} has lost its sign: ${d.likely} is meant`,
  why: () => "an offset of more than 2 GiB is in no object; some tools keep addends in 32 bits",
  help: () => "make the file again with a tool that keeps 64-bit addends; klplink does",
  explain: "A livepatch relocation has an addend between 2^31 and 2^32: a negative one that went through 32 bits.",
});
