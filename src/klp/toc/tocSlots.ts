// Slots for addresses in the module's TOC: eight bytes each, shared by all code that needs the same address.

import { SHF_ALLOC, SHF_WRITE, SHT_PROGBITS, STT_SECTION } from "../../elf/consts.ts";
import type { SymbolTable } from "../../elf/views/symbols.ts";
import type { ElfEdits } from "../../elf/writer/edits.ts";
import { R_PPC64_ADDR64 } from "../../reloc/numbers.ts";
import type { RelocationRouter } from "../symbols/router.ts";
import type { Call } from "./calls.ts";

export class TocSlots {
  readonly #edits: ElfEdits;
  readonly #symbols: SymbolTable;
  readonly #router: RelocationRouter;
  readonly #converting: ReadonlySet<number>;
  readonly #slots = new Map<string, number>();

  /** @param converting symbols that become livepatch symbols of vmlinux in the same edit. */
  constructor(edits: ElfEdits, symbols: SymbolTable, router: RelocationRouter, converting: ReadonlySet<number>) {
    this.#edits = edits;
    this.#symbols = symbols;
    this.#router = router;
    this.#converting = converting;
  }

  /** Bytes of all slots. */
  get bytes(): number {
    return this.#slots.size * 8;
  }

  /** The slot of a callee's address: its offset in .toc, and a symbol for the start of .toc. */
  slotFor(call: Call): { readonly symbol: number; readonly offset: number } {
    const object = call.klpObject ?? (this.#converting.has(call.symbol) ? "vmlinux" : null);
    const key = `${call.symbol}:${call.addend}:${object ?? ""}`;
    const toc = tocSymbol(this.#edits, this.#symbols);
    let offset = this.#slots.get(key);
    if (offset === undefined) {
      offset = this.#edits.append(toc.section, new Uint8Array(8), 8);
      this.#slots.set(key, offset);
      const { symbol, addend } = call;
      this.#router.add(toc.section, object, { offset, symbol, type: R_PPC64_ADDR64, addend });
    }
    return { symbol: toc.symbol, offset };
  }
}

/** The .toc section and a symbol for its start; both are made where the file has none. */
function tocSymbol(edits: ElfEdits, symbols: SymbolTable): { section: number; symbol: number } {
  const { sections } = edits.file;
  const count = sections.count;
  let section = sections.findByName(".toc");
  if (section === null) {
    const made = edits.addedSections.findIndex((s) => s.name === ".toc");
    section =
      made >= 0
        ? count + made
        : edits.addSection({
            name: ".toc",
            type: SHT_PROGBITS,
            flags: BigInt(SHF_ALLOC | SHF_WRITE),
            link: 0,
            info: 0,
            // The kernel takes the TOC base from the section's address, rounded down to 256.
            addralign: 256,
            entsize: 0,
            data: new Uint8Array(0),
          });
  }
  for (let i = 1; i < symbols.count; i++) {
    if (symbols.type(i) === STT_SECTION && symbols.sectionOf(i) === section) return { section, symbol: i };
  }
  for (let i = symbols.count; i < symbols.count + edits.symbols.added; i++) {
    if (edits.symbols.info(i) === STT_SECTION && edits.symbols.section(i) === section) return { section, symbol: i };
  }
  const home = { kind: "section", section } as const;
  const symbol = edits.addSymbol({ name: "", info: STT_SECTION, other: 0, home, value: 0n, size: 0 });
  return { section, symbol };
}
