import { define } from "../define.ts";

export default define<{
  readonly what: "init" | "exit";
  readonly own: number;
  readonly kernel: number;
  readonly source: string;
}>({
  level: "error",
  title: (d) => `the ${d.what} function stands at offset ${d.own} of struct module, in ${d.source} at ${d.kernel}`,
  why: (d) =>
    d.what === "init"
      ? "the kernel reads another field: the module loads, and its init function never runs"
      : "the kernel reads another field when the module is removed",
  help: () => "build the module with the configuration of exactly this kernel",
  explain: "The fields of struct module move with the kernel's configuration, even where its size stays the same.",
});
