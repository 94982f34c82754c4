import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => d.what,
  help: () => "give a kernel module or object file (.ko, .o) of ppc64le, arm64 or x86_64",
  explain: "The input is not a relocatable ELF64 file. Kernel modules and the objects they are linked from are.",
});
