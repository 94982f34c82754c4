import { define } from "../define.ts";

export default define<{ readonly what: string; readonly help: string }>({
  level: "error",
  title: (d) => `klp_enable_patch refuses the patch: ${d.what}`,
  why: () => "the kernel says nothing; insmod fails with `Invalid parameters`, modprobe with `Invalid argument`",
  help: (d) => d.help,
  explain:
    "klp_enable_patch looks at the patch's tables first. A missing pointer or a name that is too long makes it return -EINVAL without a message; kmod's insmod has the words `Invalid parameters` for that number.",
});
