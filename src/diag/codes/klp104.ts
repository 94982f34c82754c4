import { define } from "../define.ts";

export default define<{ readonly why: string; readonly isFolder?: boolean; readonly near?: readonly string[] }>({
  level: "error",
  title: (d) => `cannot be read: ${d.why}`,
  help: (d) => {
    if (d.isFolder === true) return "give a file; only `klplink check FOLDER` looks at all modules below a folder";
    const [first] = d.near ?? [];
    return first === undefined
      ? "check the path and the permissions"
      : `did you mean ${d.near?.map((n) => `\`${n}\``).join(" or ")}?`;
  },
  explain: "The operating system did not let klplink read the file.",
});
