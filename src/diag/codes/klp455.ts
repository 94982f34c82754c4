import { define } from "../define.ts";

export default define<{ readonly name: string; readonly object: string; readonly patched: readonly string[] }>({
  level: "error",
  title: (d) => `${d.name} waits for ${d.object}, which this patch does not patch`,
  why: (d) =>
    `the kernel applies livepatch relocations for the objects of the patch only (${d.patched.join(", ")}): these never are, and code that runs into such a place goes wherever the file's bytes lead`,
  help: (d) =>
    `add ${d.object} to the patch's objects, or let the relocations wait for a patched module that needs ${d.object} loaded`,
  explain:
    "Relocations in .klp.rela.OBJECT are applied when the patch is enabled for OBJECT: when both are loaded, and only for objects that struct klp_patch names. Since 5.8 those for vmlinux are applied while the livepatch itself loads.",
});
