import { define } from "../define.ts";

export default define<{
  readonly rule: string;
  readonly callee: string;
  readonly reason: string;
  readonly help: string;
}>({
  level: "error",
  title: (d) => `no island is possible for the call to ${d.callee}: ${d.reason} (rule ${d.rule})`,
  help: (d) => d.help,
  explain:
    "An island is used only where it is certain to work. Each condition has a number; docs/islands.md lists them with their reasons.",
});
