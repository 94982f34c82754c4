import { define } from "../define.ts";

export default define<{ readonly name: string; readonly target: string }>({
  level: "warning",
  title: (d) => `${d.name} relocates ${d.target}, which its name does not say`,
  why: () => "the kernel goes by sh_info; tools that go by the name take it for another section",
  help: () => "if the file went through `ld -r` or `objcopy` after it was finished, finish it again afterwards",
  explain: "A livepatch relocation section is named .klp.rela.OBJECT.SECTION after the section that it relocates.",
});
