import { define } from "../define.ts";

export default define<{ readonly module: string; readonly source: string }>({
  level: "error",
  title: (d) => `the kernel has no livepatching: ${d.source} has no klp_enable_patch`,
  kernel: (d) => `${d.module}: module is marked as livepatch module, but livepatch support is disabled`,
  help: () => "give the symbol list of a kernel that was built with CONFIG_LIVEPATCH=y",
  explain:
    "A kernel without CONFIG_LIVEPATCH refuses every module that .modinfo marks as a livepatch. Debian's kernels for ppc64el and arm64 are such.",
});
