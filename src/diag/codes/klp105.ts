import { define } from "../define.ts";

export default define<{ readonly why: string }>({
  level: "error",
  title: (d) => `cannot be written: ${d.why}`,
  help: () => "name another output with -o",
  explain:
    "The output could not be written. Nothing was left behind, and a file of that name that was there before is unchanged.",
});
