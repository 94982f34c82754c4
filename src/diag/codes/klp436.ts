import { define } from "../define.ts";

export default define<{ readonly name: string; readonly size: number; readonly entry: number }>({
  level: "error",
  title: (d) => `${d.name} has ${d.size} bytes, no multiple of its entries' ${d.entry}`,
  why: () => "the kernel takes the section as an array, and reads behind the end of the last entry",
  help: () => "build the file again; a tool that copies single entries has taken too few or too many bytes",
  explain: "Tables such as __jump_table and .return_sites are arrays. Their size must be a multiple of one entry.",
});
