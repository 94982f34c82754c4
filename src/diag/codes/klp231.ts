import { define } from "../define.ts";

export default define<{ readonly machine: number; readonly flags: number; readonly abi: number }>({
  level: "error",
  title: (d) =>
    `e_flags 0x${d.flags.toString(16)} say ${d.abi === 0 ? "no ABI version" : `ABI version ${d.abi}`}, not 2`,
  kernel: (d) => `Invalid module architecture in ELF header: ${d.machine}`,
  help: () => "compile with -mabi=elfv2, and let `ld -r` or the assembler write the header",
  explain:
    "ppc64le kernels since 6.2 read the ABI version in the two low bits of e_flags and take modules of ELF ABI version 2 only.",
});
