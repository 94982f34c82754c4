import { define } from "../define.ts";

export default define<{ readonly size: number; readonly limit: number }>({
  level: "error",
  title: (d) => `the module would take ${d.size} bytes of memory; the limit is ${d.limit}`,
  help: () => "no module is that large: the file is damaged, or no module",
  explain: "The sizes in the section headers add up to more than a kernel could give to a module.",
});
