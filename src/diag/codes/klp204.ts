import { define } from "../define.ts";

export default define<{ readonly reloc: string; readonly message: string }>({
  level: "error",
  title: (d) => `the place of ${d.reloc} is not zero in the file`,
  kernel: (d) => d.message,
  why: () => "on x86_64 the loader takes bytes that are not zero for a place that was relocated before",
  help: () => "build the file again; two relocations of one place, or a module copied from memory, give this",
  explain:
    "x86_64 modules carry the addend in the relocation, so the bytes at the place are zero. The loader checks it, because livepatch relocations are applied again when the patched module is loaded a second time.",
});
