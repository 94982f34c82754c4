import { define } from "../define.ts";

export default define<{ readonly packing: string; readonly pack: string }>({
  level: "warning",
  title: (d) => `the module is packed with ${d.packing}; the output is not`,
  help: (d) => `pack it again if it is to be installed that way: \`${d.pack}\``,
  explain:
    "Distributions install modules packed (.ko.xz, .ko.zst, .ko.gz). klplink reads them all. `check` looks inside and says nothing of it; a link writes the module itself, unpacked, which the kernel loads as well.",
});
