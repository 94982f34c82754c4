import { define } from "../define.ts";

export default define<{ readonly by: number }>({
  level: "error",
  title: (d) =>
    `R_PPC64_REL24 stands ${Math.abs(d.by)} bytes ${d.by > 0 ? "before" : "behind"} the call that it belongs to`,
  why: () => "the distance is that between a function's two entry points, counted once too often or too seldom",
  help: () => "build the file again; old tools add the local entry offset to places",
  explain:
    "A call's relocation must be at the `bl` itself. A tool that mixed up global and local entry points puts it beside; the loader would then change another instruction.",
});
