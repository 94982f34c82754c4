import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => d.what,
  help: () =>
    "load the module first, and run as root, with kernel.kptr_restrict=0 and CONFIG_PROC_KCORE; or copy with the capture script and use --root",
  explain:
    "To compare a loaded module, klplink reads its section addresses, the kernel's symbols and the kernel's memory. One of them is missing, empty, or hides the addresses.",
});
