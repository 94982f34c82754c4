import { define } from "../define.ts";

export default define<{ readonly what: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.what} stands in ${d.section}, which is freed after init`,
  why: () =>
    "the kernel uses it for as long as the livepatch is there: it would read, write or run memory that is someone else's by then",
  help: () => "leave out `__init` and `__initdata`",
  explain:
    "The loader frees sections whose name begins with .init once the module's init function has returned (not on ppc64, whose loader keeps them). A livepatch's structures and replacement functions are used from then on. The tables of klp-build in .init.klp_objects are copied first, and may stand there.",
});
