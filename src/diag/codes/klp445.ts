import { define } from "../define.ts";

export default define<Record<string, never>>({
  level: "error",
  title: () => "an object is called vmlinux: the kernel waits for a module of that name",
  why: () => "in struct klp_object the kernel itself has no name (NULL)",
  help: () => "leave the name out",
  explain: "klp_object.name is NULL for vmlinux and a module's name otherwise. A module cannot be called vmlinux.",
});
