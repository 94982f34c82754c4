import { define } from "../define.ts";

export default define<{ readonly traces: readonly { readonly producer: string; readonly what: string }[] }>({
  level: "error",
  title: (d) => `a mixture: ${d.traces.map((t) => `${t.what} is from ${NAMES.get(t.producer)}`).join(", ")}`,
  why: () => "two tools have written into the file, and neither knows what the other meant",
  help: (d) =>
    `link each part with its own tool first, or say which one to go by: \`--from ${d.traces.map((t) => t.producer).join("|")}\``,
  explain:
    "The sections of two producers, or of one beside finished livepatch sections, stand in one file. klplink goes by one of them only if told so with --from.",
});

const NAMES: ReadonlyMap<string, string> = new Map([
  ["kpatch", "kpatch"],
  ["klp-convert", "klp-convert"],
  ["objtool", "objtool"],
  ["final", "a finished livepatch module"],
]);
