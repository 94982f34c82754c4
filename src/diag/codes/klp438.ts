import { define } from "../define.ts";

export default define<{ readonly name: string; readonly place: string; readonly size: number }>({
  level: "warning",
  title: (d) => `${d.name} leads to ${d.place}, outside the section's ${d.size} bytes`,
  why: () => "sections are loaded apart from each other, so something else stands there",
  help: () =>
    "look whether the symbol is the one that is meant; section symbols with large addends are often wrong ones",
  explain:
    "A relocation's symbol plus addend lies outside the section that the symbol is in. Compilers do that on purpose only for arrays that begin at another index.",
});
