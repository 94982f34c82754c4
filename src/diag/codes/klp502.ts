import { define } from "../define.ts";

export default define<{ readonly module: string; readonly own: string; readonly kernel: string }>({
  level: "error",
  title: () => "the module was built for another kernel",
  kernel: (d) => `${d.module}: version magic '${d.own}' should be '${d.kernel}'`,
  help: (d) => `build it against the headers of ${d.kernel.split(" ")[0]}`,
  explain:
    "Each module carries the release and main options of its kernel (vermagic). They must be equal; with CONFIG_MODVERSIONS the release may differ.",
});
