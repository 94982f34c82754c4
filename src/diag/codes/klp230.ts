import { define } from "../define.ts";

export default define<{ readonly module: string; readonly name: string; readonly index: number }>({
  level: "error",
  title: (d) => `section ${d.name} is both writable and executable`,
  kernel: (d) => `${d.module}: section ${d.name} (index ${d.index}) has invalid WRITE|EXEC flags`,
  help: () => 'give the section the flags of code ("ax") or of data ("aw"), and put what is written elsewhere',
  explain:
    "Kernels with CONFIG_STRICT_MODULE_RWX (5.8 and later) map no memory that is both written and run, and refuse a module with such a section, loaded or not. GNU as takes a section's flags from its first `.section` line; `ld -r` joins those of the sections that it merges.",
});
