import { define } from "../define.ts";

export default define<{
  readonly count: number;
  readonly names: readonly string[];
  readonly missing: readonly string[];
}>({
  level: "warning",
  title: (d) =>
    `${d.count} symbol${d.count === 1 ? " was" : "s were"} not looked up: ${d.missing.length === 1 ? "a module" : "modules"} that this one depends on ${d.missing.length === 1 ? "was" : "were"} not given`,
  why: (d) =>
    `.modinfo names ${d.missing.join(", ")} in depends=; ${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""} ${d.count === 1 ? "is" : "are"} in no file that was given`,
  help: (d) => `give ${d.missing.map((m) => `\`-m ${m}.ko\``).join(" ")}`,
  explain:
    "A module may use what other modules export. modpost writes their names into depends=, and modprobe loads them first. Without those files it is not known whether they export these symbols.",
});
