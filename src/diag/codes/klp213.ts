import { define } from "../define.ts";

export default define<{ readonly address: string }>({
  level: "warning",
  title: (d) => `the address of the module's per-CPU data is not known; ${d.address} is taken`,
  why: () => "/sys/module/NAME/sections does not list it, and the kernel's symbols do not show any of its variables",
  help: () => "give it with --at percpu=ADDR, or the /proc/kallsyms of the kernel that has the module loaded",
  explain:
    "Per-CPU variables of a module get addresses in the kernel's per-CPU area. Code that uses them holds these addresses, so they must be known for an exact image.",
});
