import { define } from "../define.ts";

export default define<{
  readonly module: string;
  readonly type: number;
  readonly name: string;
  readonly message: string;
  readonly symbol: string;
  /** The release whose loader is the first that knows it; absent: none does. */
  readonly since?: string;
  /** The loader of kernels of the other build knows it: those with a TOC, or with PC-relative addressing. */
  readonly build?: "toc" | "pcrel";
}>({
  level: "error",
  title: (d) =>
    `the kernel's loader does not know relocation ${d.name}${d.symbol === "" ? "" : ` (against ${d.symbol})`}${d.since === undefined ? "" : ` before ${d.since}`}${d.build === undefined ? "" : ` in a kernel built ${d.build === "toc" ? "without" : "with"} a TOC`}`,
  kernel: (d) => d.message,
  why: () => "the loader handles a fixed list of relocation types and stops at the first other one",
  help: (d) =>
    d.build !== undefined
      ? `build the module with this kernel's own flags (${d.build === "toc" ? "-mcpu=power10 -mpcrel" : "-mno-pcrel"})`
      : d.since !== undefined
        ? `build for ${d.since} or later, or with the compiler and binutils of that kernel's time`
        : d.type === 0
          ? "remove the entry; a relocation must not be disabled by giving it type 0"
          : "compile with the kernel's own flags (no -fpic, -mcmodel as in the kernel's Makefile)",
  explain:
    "A relocation has a type that apply_relocate_add of this architecture refuses. On ppc64le that includes R_PPC64_NONE, so a tool must not disable a relocation by setting its type to 0. Kernels of ppc64le are built with a TOC, or with PC-relative addressing (CONFIG_PPC_KERNEL_PCREL), and each refuses the types of the other.",
});
