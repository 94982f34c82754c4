import type { Place } from "../../diag/define.ts";
import { SHF_ALLOC, SHF_EXECINSTR } from "../../elf/consts.ts";
import { namedPlaceIn, type Placer } from "../place.ts";

interface Use {
  readonly section: number;
  readonly offset: number;
  readonly isCode: boolean;
}

/** Where symbols are used: what turns a name at fault into a line of the source. Reads the relocations once, on first use. */
export class SymbolUses {
  readonly #placer: Placer;
  #first: Map<number, { use: Use; count: number }> | null = null;

  constructor(placer: Placer) {
    this.#placer = placer;
  }

  /** The first use of a symbol: in code if there is one, else in data. The file alone if no loaded section uses it. */
  placeOf(symbol: number): Place {
    this.#first ??= this.#read();
    const found = this.#first.get(symbol);
    if (found === undefined) return { file: this.#placer.path };
    const { section, offset } = found.use;
    const at = namedPlaceIn(this.#placer, section, offset);
    return found.count > 1 ? { ...at, uses: found.count } : at;
  }

  #read(): Map<number, { use: Use; count: number }> {
    const { sections, relocations } = this.#placer.file;
    const first = new Map<number, { use: Use; count: number }>();
    for (const table of relocations) {
      if (!sections.hasFlags(table.target, SHF_ALLOC)) continue;
      const isCode = sections.hasFlags(table.target, SHF_EXECINSTR);
      for (let row = 0; row < table.count; row++) {
        const symbol = table.symbol(row);
        if (symbol === 0) continue;
        const known = first.get(symbol);
        if (known === undefined) {
          first.set(symbol, { use: { section: table.target, offset: table.offset(row), isCode }, count: 1 });
          continue;
        }
        known.count++;
        if (isCode && !known.use.isCode) known.use = { section: table.target, offset: table.offset(row), isCode };
      }
    }
    return first;
  }
}
