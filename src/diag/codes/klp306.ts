import { define } from "../define.ts";

export default define<{ readonly callee: string; readonly message: string }>({
  level: "error",
  title: (d) => `the word behind the call to ${d.callee} is already ld r2,24(r1) (rule I3)`,
  kernel: (d) => d.message,
  why: () => "kernels before 6.3 want the nop itself there; the file may be a copy of a module from memory",
  help: () => "start from the module as the compiler and linker made it",
  explain:
    "The word behind the call is what the kernel makes of the nop at load time. Kernels from 6.3 on accept it, older ones refuse the module.",
});
