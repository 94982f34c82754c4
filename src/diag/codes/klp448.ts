import { define } from "../define.ts";

export default define<{ readonly what: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.what} stands in ${d.section}, which is read-only`,
  why: () => "klp_enable_patch writes lists, kobjects and states into it: the kernel oopses when the module is loaded",
  help: () => "leave out `const` (and `__ro_after_init`): the structures belong in .data",
  explain:
    "struct klp_patch, klp_object and klp_func hold what the kernel keeps of a livepatch while it is there. The loader makes read-only sections read-only before it calls the module's init function.",
});
