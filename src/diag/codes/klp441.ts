import { define } from "../define.ts";

export default define<{ readonly name: string; readonly object: string }>({
  level: "error",
  title: (d) => `two entries of ${d.object} replace ${d.name}`,
  why: () => "each entry gets a folder in sysfs, named after function and position; the second one cannot be made",
  help: () => "keep one of them, or give the other its own position",
  explain:
    "The kernel makes /sys/kernel/livepatch/PATCH/OBJECT/FUNCTION,POSITION for each entry, with position 0 shown as 1. Two equal ones fail with -EEXIST.",
});
