import { define } from "../define.ts";

export default define<{ readonly what: string }>({
  level: "error",
  title: (d) => `malformed ELF file: ${d.what}`,
  help: () => "build or copy the file again; the offset is that of the wrong field or table",
  explain:
    "A field of the file contradicts the ELF specification, the size of the file, or another field. Nothing is read beyond that point and nothing is written.",
});
