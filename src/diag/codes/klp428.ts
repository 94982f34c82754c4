import { define } from "../define.ts";

export default define<{ readonly object: string }>({
  level: "error",
  title: (d) => `\`${d.object}\` is no name that a module can have`,
  why: () => "the kernel compares it with module names, which have letters, digits and _ only",
  help: (d) => `write \`${d.object.replace(/\.ko$/, "").replace(/-/g, "_")}\``,
  explain:
    "Objects are named as the kernel names modules: without .ko, and with _ where the file has -. Another spelling never matches, so nothing is patched and no error is shown.",
});
