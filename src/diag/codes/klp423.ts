import { define } from "../define.ts";

export interface Said {
  readonly object: string;
  readonly position: number;
}

export default define<{ readonly symbol: string; readonly first: Said; readonly second: Said }>({
  level: "error",
  title: (d) =>
    `${d.symbol} is annotated twice: ${d.first.object},${d.first.position} and ${d.second.object},${d.second.position}`,
  help: () => "keep one KLP_SYMPOS of the symbol in the source",
  explain: "Two entries of .klp.module_relocs sections name one symbol with different objects or positions.",
});
