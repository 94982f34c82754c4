import { PLAIN, renderText } from "../../src/diag/render/text.ts";
import type { Prototype } from "../../src/elf/dwarf/prototype.ts";
import { SourceIndex } from "../../src/elf/dwarf/source.ts";
import { ElfError } from "../../src/elf/error.ts";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import { ElfEdits } from "../../src/elf/writer/edits.ts";
import { writeElf } from "../../src/elf/writer.ts";
import type { ModuleFacts } from "../../src/kernel/module/moduleFacts.ts";
import type { SymbolList } from "../../src/kernel/symbols/symbolList.ts";
import { analyse, type Options } from "../../src/passes/analysis.ts";
import { check } from "../../src/passes/check.ts";
import { Unusable } from "../../src/passes/input.ts";
import { link } from "../../src/passes/link.ts";

/** How often each way was taken: a fuzz run that never got past the reader would prove little. */
export interface Reached {
  refused: number;
  read: number;
  unusable: number;
  linked: number;
  changed: number;
}

export const nothingReached = (): Reached => ({ refused: 0, read: 0, unusable: 0, linked: 0, changed: 0 });

/** Any function, whatever its name, takes no arguments. */
const known = new Map<string, Prototype | null>();
known.get = () => ({ isPrototyped: true, isVariadic: false, parameters: [], result: null });
const facts: ModuleFacts = { prototypes: known, stacks: [] };
/** With and without force, and each way in which r2 can come back. */
const WAYS: readonly (readonly [force: boolean, way: Partial<Options>])[] = [
  [false, {}],
  [true, {}],
  [true, { tocRestore: "epilogue", siblings: "framed", facts }],
  [true, { tocRestore: "mini-frame", facts }],
  [true, { tocRestore: "shadow-stack", livepatchStack: { threadInfo: 8, stackPointer: 16 } }],
];

/** Generous, but a constant: nothing that is made from a file may be out of proportion to it. */
const bound = (input: Uint8Array): number => 8 * input.length + 65_536;

/**
 * Everything that klplink does with an input, in memory.
 * @throws whatever may not come out: any error but ElfError (reader) and Unusable (passes), and broken promises.
 */
export function exercise(bytes: Uint8Array, symbols: SymbolList, reached: Reached): void {
  const before = Buffer.from(bytes);
  let file: ElfFile;
  try {
    file = readElf(bytes);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    if (!(error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`the error's offset is ${error.offset}`);
    reached.refused++;
    mustBeUnusable(() => analyse(bytes, { file: "in.o" }));
    return;
  }
  reached.read++;
  if (writeElf(new ElfEdits(file)) !== bytes) throw new Error("without edits, the output is not the input");
  useEveryView(file);
  editSafely(file);

  for (const options of [{ file: "in.o" }, { file: "in.o", symbols }] as readonly Options[]) {
    let usable = true;
    try {
      render(check(bytes, options).problems, bytes);
    } catch (error) {
      if (!(error instanceof Unusable)) throw error;
      usable = false;
      reached.unusable++;
    }
    for (const [force, way] of WAYS) {
      try {
        const result = link(bytes, { ...options, ...way, force });
        render(result.problems, bytes);
        if (result.output === null) continue;
        reached.linked++;
        if (!result.changed) {
          if (result.output !== bytes) throw new Error("nothing changed, but the output is not the input");
          continue;
        }
        reached.changed++;
        if (result.output.length > bound(bytes)) {
          throw new Error(`${bytes.length} bytes became ${result.output.length}`);
        }
        readElf(result.output);
        const again = link(result.output, options);
        if (!force && again.changed) throw new Error("linking the output again changes it");
      } catch (error) {
        if (!(error instanceof Unusable) || usable) throw error;
      }
    }
  }
  if (!before.equals(bytes)) throw new Error("the input's bytes were changed");
}

/** Source lines for places all over the code of an input that the reader takes. */
export async function exerciseSource(bytes: Uint8Array): Promise<void> {
  let file: ElfFile;
  try {
    file = readElf(bytes);
  } catch (error) {
    if (error instanceof ElfError) return;
    throw error;
  }
  const source = await SourceIndex.read(file);
  for (let section = 0; section < Math.min(file.sections.count, 64); section++) {
    const size = file.sections.size(section);
    for (let k = 0; k < 16; k++) {
      for (const frame of source.find(section, Math.floor((size * k) / 16)) ?? []) {
        if (!(frame.line >= 0 && frame.column >= 0)) throw new Error(`line ${frame.line}, column ${frame.column}`);
        if (frame.file.length > bytes.length) throw new Error(`a file name of ${frame.file.length} characters`);
      }
    }
  }
}

function mustBeUnusable(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (error instanceof Unusable) return;
    throw error;
  }
  throw new Error("the passes accept what the reader refuses");
}

function render(problems: Parameters<typeof renderText>[0], input: Uint8Array): void {
  const text = renderText(problems, { width: 80, palette: PLAIN });
  // A few hundred bytes a problem, at most one for each row of 16 bytes.
  if (text.length > 64 * input.length + 65_536) throw new Error(`${text.length} characters of diagnostics`);
}

/** Reads each field of each view, as `show` does. */
function useEveryView(file: ElfFile): void {
  const { sections } = file;
  let sum = 0;
  for (let i = 0; i < sections.count; i++) {
    sum += sections.name(i).length + sections.data(i).length + Number(sections.flags(i)) + Number(sections.addr(i));
  }
  for (const table of file.symbolTables.values()) {
    for (let i = 0; i < table.count; i++) {
      const home = table.sectionOf(i);
      if (home !== null && home >= sections.count) throw new Error(`symbol ${i} is in section ${home}`);
      sum += table.name(i).length + Number(table.value(i)) + table.size(i) + table.offset(i) + table.other(i);
    }
  }
  for (const table of file.relocations) {
    if (table.target >= sections.count) throw new Error(`relocations for section ${table.target}`);
    const symbols = file.symbolTables.get(sections.link(table.section));
    for (let r = 0; r < table.count; r++) {
      if (table.symbol(r) >= (symbols?.count ?? 1)) throw new Error(`relocation ${r} is against ${table.symbol(r)}`);
      sum += table.offset(r) + table.type(r) + Number(table.addend(r));
    }
  }
  for (const group of file.groups) {
    for (const m of group.members) if (m >= sections.count) throw new Error(`member ${m}`);
  }
  if (Number.isNaN(sum)) throw new Error("a field is not a number");
}

/** Edits that are possible in any file with a symbol table: they move every symbol and every section behind. */
function editSafely(file: ElfFile): void {
  if (file.symbols === null) return;
  const edits = new ElfEdits(file);
  try {
    const section = edits.addSection({
      name: ".new",
      type: 1,
      flags: 2n,
      link: 0,
      info: 0,
      addralign: 16,
      entsize: 0,
      data: new Uint8Array(40),
    });
    const home = { kind: "section", section } as const;
    edits.addSymbol({ name: "new_local", info: 1, other: 0, home, value: 0n, size: 8 });
    edits.addSymbol({ name: "new_global", info: 0x11, other: 0, home, value: 8n, size: 8 });
    const output = writeElf(edits);
    if (output.length > bound(file.bytes)) throw new Error(`${file.bytes.length} bytes became ${output.length}`);
    const again = readElf(output);
    if (again.sections.count < file.sections.count + 1) throw new Error("the new section is missing");
  } catch (error) {
    if (!(error instanceof ElfError) || (error.kind !== "edit" && error.kind !== "malformed")) throw error;
  }
}
