import { define } from "../define.ts";

export default define<{ readonly count: number; readonly names: readonly string[]; readonly source: string }>({
  level: "error",
  title: (d) =>
    `${d.source} lists functions only, and the module uses ${d.count} other symbol${d.count === 1 ? "" : "s"}: ${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""}`,
  why: () => "the kernel was built without CONFIG_KALLSYMS_ALL: it does not tell where its data is",
  help: () =>
    "give the kernel's System.map or vmlinux too: -k /boot/System.map-$(uname -r); where that is only a note (Debian), the one in the package linux-image-$(uname -r)-dbg; for what another module has, that module: -m OTHER.ko@SECTIONS",
  explain:
    "To compare a loaded module, klplink needs the addresses of all symbols that the module uses. Without CONFIG_KALLSYMS_ALL the kernel lists functions only; System.map and vmlinux have the rest, and how far the kernel was moved (KASLR) follows from the functions that both list.",
});
