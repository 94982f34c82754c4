import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => `no symbol list: ${d.what}`,
  help: () => "-k takes System.map, the output of nm, or a copy of /proc/kallsyms",
  explain: "A file given with -k is not of a form that klplink knows. It is told by its content, not by its name.",
});
