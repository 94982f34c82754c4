import { define } from "../define.ts";

export default define<{
  readonly name: string;
  readonly target: string;
  readonly object: string;
  readonly how: "oops" | "skip";
}>({
  level: "error",
  title: (d) => `${d.name} in ${d.target} waits for ${d.object}: too late to be written`,
  why: (d) =>
    d.how === "oops"
      ? "on ppc64le the loader stores this type directly, and the section is read-only by then: the kernel oopses"
      : "on arm64 a late relocation at an address that is no multiple of 4 is left out without a word",
  help: (d) =>
    d.how === "oops"
      ? "reach the symbol through a pointer in writable data (the TOC, .data); in text only calls may wait"
      : "align the pointer to 4 bytes",
  explain:
    "Relocations of a module's section are applied when the module comes, after the livepatch's text and constants were made read-only.",
});
