import { define } from "../define.ts";

export default define<{ readonly callee: string; readonly fixable: boolean; readonly command: string }>({
  level: "error",
  title: (d) => `sibling call to ${d.callee} would overwrite the TOC of this function's caller`,
  brief: (d) => `sibling call to ${d.callee}`,
  kernel: () => null,
  why: (d) =>
    `the stub to ${d.callee} stores r2 at 24(r1), and at a sibling call that is the caller's frame; the module loads, and the kernel crashes later`,
  help: (d) =>
    d.fixable
      ? `\`${d.command}\` replaces it by a frameless island; or rebuild with -fno-optimize-sibling-calls`
      : "rebuild the function with -fno-optimize-sibling-calls; the error that follows says why no island is possible",
  fix: (d) => (d.fixable ? d.command : null),
  explain: `A function that ends in a call may end in a branch instead (\`b C\`): C then returns to the caller directly. When C is
outside the module, the kernel's stub stores r2 at 24(r1) all the same. r1 is the caller's frame by then, and 24(r1)
holds the caller's saved TOC: the caller later loads the module's TOC and works on the wrong data. The loader says
nothing about it.

klplink branches to an island that loads C's address from a slot in the module's TOC and enters C without touching
the stack. r2 is then C's when the function returns, so calls to it from within the module get an island that saves
and restores r2; callers outside the module do so anyway.`,
});
