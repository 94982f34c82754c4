import { define } from "../define.ts";

export default define<{ readonly list: string; readonly where: string }>({
  level: "error",
  title: (d) => `${d.list} names ${d.where}, where there is no profiling call`,
  why: () => "ftrace compares the instruction before it changes it, finds another one, and switches itself off",
  help: () => "build the file again; entries of functions that were taken out of an object keep their old offset",
  explain:
    "Each entry of __mcount_loc (or __patchable_function_entries) is the address of a function's profiling call, or of the nops in its place. ftrace stops with `ftrace bug` at the first that is not.",
});
