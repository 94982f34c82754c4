import { define } from "../define.ts";

export default define<{ readonly region: string; readonly regions: readonly string[] }>({
  level: "warning",
  title: (d) => `the address of ${d.region} is not used: the module's memory is ${d.regions.join(", ")}`,
  help: () => "before 6.4 a module has text and init.text only, with everything else behind them",
  explain:
    "An address was given for a kind of memory that the module does not have. Kernels before 6.4 put a module into two pieces of memory, later ones into up to seven.",
});
