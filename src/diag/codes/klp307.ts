import { define } from "../define.ts";

export default define<{ readonly function: string }>({
  level: "warning",
  title: (d) => `${d.function} has calls without a nop and was built without a profiling call (rule I16)`,
  why: () =>
    "a compiler that sees both functions may keep values in r0, r11, r12 or ctr across a local call (-fipa-ra), and a stub overwrites them; -pg switches that off",
  help: () =>
    "compile with the kernel's own -pg -mprofile-kernel; or with -fno-ipa-ra and -g, as it is the debug information that says the flag was there (without -g the code is right, and this warning stays)",
  explain:
    "A stub uses r11, r12 and ctr. The ABI lets any external call change them, but for a local call gcc may know better. Code built with -pg, as all of a livepatchable kernel is, is not affected, and neither is code compiled with -fno-ipa-ra. klplink sees that flag in the compiler's name in the debug information (DW_AT_producer) only.",
});
