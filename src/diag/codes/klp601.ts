import { define } from "../define.ts";

export default define<{ readonly path: string; readonly what: string }>({
  level: "error",
  title: (d) => `not a patch-site protocol: ${d.path === "" ? "" : `${d.path}: `}${d.what}`,
  help: () => "docs/model.md describes the form; `klplink model NAME --source` prints a protocol to start from",
  explain:
    "The file given to `klplink model` is no JSON, or a field has a wrong form, or a name in it refers to nothing. The path names the field, as in `writer[2].write`.",
});
