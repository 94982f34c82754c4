import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.symbol} of vmlinux is used from ${d.section}, which waits for a module`,
  kernel: (d) =>
    `livepatch: invalid access to vmlinux symbol '${d.symbol}' from module-specific livepatch relocation section`,
  help: () => "put relocations against symbols of vmlinux into .klp.rela.vmlinux sections, whatever object they patch",
  explain:
    "Since 5.8 relocations against vmlinux are applied when the livepatch module loads. The kernel refuses them in sections that are applied later.",
});
