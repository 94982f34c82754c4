import { define } from "../define.ts";

export default define<Record<string, never>>({
  level: "error",
  title: () => "the module is called vmlinux",
  kernel: () => "livepatch: vmlinux.ko: invalid module name",
  help: () => "give the module another name",
  explain:
    "The livepatch core takes vmlinux as the name of the kernel itself, so kernels with livepatch refuse any module of that name, since 5.8.",
});
