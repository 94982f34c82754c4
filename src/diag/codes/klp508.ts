import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly own: number;
  readonly kernel: number;
  readonly source: string;
}>({
  level: "error",
  title: (d) => `struct module has ${d.own} bytes here and ${d.kernel} in the kernel (${d.source})`,
  kernel: (d) =>
    `module ${d.module}: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time`,
  help: () => "build the module with the configuration of exactly this kernel",
  explain: "A module contains a struct module. Its size depends on the kernel's configuration and must be the same.",
});
