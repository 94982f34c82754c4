import { define } from "../define.ts";

export default define<{ readonly producer: string; readonly what: string; readonly command: string }>({
  level: "error",
  title: (d) => `not finished: ${d.what} is what ${d.producer} leaves for a later step`,
  why: () => "the kernel does not know these sections; its symbols and relocations would be missing",
  help: (d) => `\`${d.command}\` finishes it`,
  fix: (d) => d.command,
  explain:
    "kpatch, klp-convert and objtool write livepatch relocations in a form of their own first. A last step, which klplink is, turns them into .klp.rela sections and .klp.sym symbols.",
});
