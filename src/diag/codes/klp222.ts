import { define } from "../define.ts";

export default define<{ readonly loaded: string; readonly file: string }>({
  level: "error",
  title: (d) => `another build of the module is loaded: build id ${d.loaded}, and ${d.file} in the file`,
  why: () => "the linker computes the build id from the module's content: two builds that differ have two",
  help: () =>
    "give the file that was loaded; after an update of the kernel's packages, that is the one of the release that runs (`uname -r`)",
  explain:
    "A module keeps its build id in memory (.note.gnu.build-id). It is not that of the file, so the file is not the one that was loaded, and the other differences follow from that.",
});
