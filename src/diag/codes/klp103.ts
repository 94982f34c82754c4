import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => d.what,
  help: () => "leave out what made the section (often an LLVM option), or report the section type as missing",
  explain:
    "The file is well formed, but an edit would have to renumber sections or symbols in a part of the file whose form klplink does not know. It refuses rather than write a file that may be wrong.",
});
