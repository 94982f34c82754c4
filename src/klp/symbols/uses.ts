import { printable } from "../../base/bytes.ts";
import type { Place } from "../../diag/define.ts";
import { SHF_ALLOC, SHF_EXECINSTR } from "../../elf/consts.ts";
import type { ElfFile } from "../../elf/reader.ts";
import type { FunctionIndex } from "../functions.ts";

interface Use {
  readonly section: number;
  readonly offset: number;
  readonly isCode: boolean;
}

/** Where symbols are used: what turns a name at fault into a line of the source. Reads the relocations once, on first use. */
export class SymbolUses {
  readonly #file: ElfFile;
  readonly #functions: FunctionIndex;
  readonly #path: string;
  #first: Map<number, { use: Use; count: number }> | null = null;

  /** @param path name of the file, for places. */
  constructor(file: ElfFile, functions: FunctionIndex, path: string) {
    this.#file = file;
    this.#functions = functions;
    this.#path = path;
  }

  /** The first use of a symbol: in code if there is one, else in data. The file alone if no loaded section uses it. */
  placeOf(symbol: number): Place {
    this.#first ??= this.#read();
    const found = this.#first.get(symbol);
    if (found === undefined) return { file: this.#path };
    const { section, offset } = found.use;
    const owner = this.#functions.at(section, offset);
    return {
      file: this.#path,
      section: printable(this.#file.sections.name(section)),
      offset,
      ...(owner === null ? {} : { function: { name: printable(owner.name), offset: offset - owner.start } }),
      ...(found.count > 1 ? { uses: found.count } : {}),
    };
  }

  #read(): Map<number, { use: Use; count: number }> {
    const { sections, relocations } = this.#file;
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
