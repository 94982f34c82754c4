import { define } from "../define.ts";

export default define<{
  readonly callee: string;
  readonly wasLocal: boolean;
  readonly message: string;
  readonly fixable: boolean;
  readonly command: string;
}>({
  level: "error",
  title: (d) => `call to ${d.callee} has no nop behind it, so the TOC cannot be restored`,
  brief: (d) => `call to ${d.callee}`,
  kernel: (d) => d.message,
  why: (d) =>
    `r2 points to a table of the addresses that the module's code uses (the TOC). ${d.wasLocal ? `${d.callee} was in the same file when this was compiled` : `The compiler took ${d.callee} for a function with the same table`}, so it wrote a plain call. But ${d.callee} is not in this module: it returns with r2 changed, and the loader finds no nop (an instruction that does nothing) that it could replace by one that brings r2 back`,
  help: (d) =>
    d.fixable
      ? `\`${d.command}\` sends the call through a return island, three instructions behind the function with that nop among them; no rebuild is needed`
      : "a return island is not possible here: see the error that follows",
  fix: (d) => (d.fixable ? d.command : null),
  explain: `On ppc64le each module has a TOC of its own, and r2 points to it. The kernel reaches a function outside the
module through a stub: it saves r2 at 24(r1) and enters the function at its global entry, which sets r2 to that
function's TOC. After the call r2 must come back. For that the kernel wants a nop (60000000) behind the \`bl\`,
which it turns into \`ld r2,24(r1)\`.

A compiler leaves the nop out when the callee shares the caller's TOC, as a function of the same file does. When
the caller is taken out into a livepatch module, the callee stays in the kernel, and the nop is missing:

      bl   show_val_kb        R_PPC64_REL24
      ld   r5,136(r1)         <- expected: nop

klplink replaces the call by \`b island\`. The island stands behind the function, in its section:

      bl   show_val_kb        R_PPC64_REL24  (moved here)
      nop                     (the kernel makes it ld r2,24(r1))
      b    behind the call`,
});
