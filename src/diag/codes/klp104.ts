import { define } from "../define.ts";

export default define<{ readonly why: string }>({
  level: "error",
  title: (d) => `cannot be read: ${d.why}`,
  help: () => "check the path and the permissions",
  explain: "The operating system did not let klplink read the file.",
});
