import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => `nothing about a kernel: ${d.what}`,
  help: () =>
    "-k takes System.map, the output of nm, a copy of /proc/kallsyms, vmlinux or Module.symvers; modules go with -m",
  explain: "A file given with -k is not of a form that klplink knows. It is told by its content, not by its name.",
});
