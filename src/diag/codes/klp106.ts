import { define } from "../define.ts";

export default define<{ readonly machine: string }>({
  level: "error",
  title: (d) => `architecture ${d.machine} is not supported`,
  help: () => "klplink links modules of ppc64le, arm64 and x86_64, all little-endian",
  explain:
    "The file is a relocatable ELF64 file of an architecture, or a byte order, that klplink does not link. `klplink show` can still list it.",
});
