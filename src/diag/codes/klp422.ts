import { define } from "../define.ts";

export default define<{ readonly producer: string; readonly what: string }>({
  level: "error",
  title: (d) => `the data of ${d.producer} are damaged: ${d.what}`,
  help: (d) => `build the file again; if ${d.producer} is not what made it, say so with --from`,
  explain:
    "A producer's sections have a fixed form. Something in them contradicts it: a missing pointer, a size that is no multiple of the entry, a string outside its section.",
});
