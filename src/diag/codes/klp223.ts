import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => d.what,
  why: () =>
    "a kernel moves as a whole (KASLR), so each symbol must be as far from its place in the file as the others",
  help: () =>
    "give the System.map or vmlinux of the kernel that runs: /boot/System.map-$(uname -r), or that of the distribution's package with debug information for `uname -r`",
  explain:
    "klplink verify takes the symbols that the running kernel does not list from System.map or vmlinux (-k). By how much the kernel was moved is computed from the symbols that both have. They disagree, or there are none: the file is that of another build.",
});
