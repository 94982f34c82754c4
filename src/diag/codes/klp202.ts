import { define } from "../define.ts";

export default define<{ readonly name: string; readonly size: number }>({
  level: "error",
  title: (d) => `${d.name} is outside its section of ${d.size} bytes`,
  why: () => "the loader does not check this: it would write into whatever lies behind",
  help: () => "build the file again; no compiler makes this",
  explain: "r_offset, with the bytes that the relocation writes, does not lie in the target section.",
});
