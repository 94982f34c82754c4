import { define } from "../define.ts";

export default define<{
  readonly name: string;
  readonly meant: string;
  readonly read: string;
  readonly tooLong: boolean;
}>({
  level: "error",
  title: (d) => `${d.name} is for object \`${d.meant}\`, but the kernel reads \`${d.read}\``,
  why: (d) =>
    d.tooLong
      ? "an object's name has at most 55 bytes; the rest is not compared"
      : "the object's name ends at the first dot",
  help: (d) =>
    d.tooLong
      ? "no module can have such a name"
      : "use the module's name as the kernel has it: without .ko, with _ for -",
  explain:
    "The kernel takes the object from a section's name up to the first dot and at most 55 bytes. A name with a dot, such as zfs.ko, is read as another object, so the relocations wait for the wrong module.",
});
