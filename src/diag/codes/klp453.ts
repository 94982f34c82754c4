import { define } from "../define.ts";

export default define<{ readonly object: string }>({
  level: "error",
  title: (d) => `the patch has two objects for ${d.object}`,
  why: () => "each object gets a folder in sysfs, named after it; the second one cannot be made",
  help: () => "put the functions of both into one array",
  explain:
    "The kernel makes /sys/kernel/livepatch/PATCH/OBJECT for each struct klp_object, vmlinux where it has no name. Two equal ones fail with -EEXIST.",
});
