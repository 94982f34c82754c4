import { viewOf } from "../../base/bytes.ts";
import { append } from "../../base/lists.ts";
import { SHT_LLVM_ADDRSIG, SHT_LLVM_CALL_GRAPH_PROFILE_V0 } from "../consts.ts";
import { decodeUleb128, encodeUleb128 } from "../dwarf/leb128.ts";
import { ElfError } from "../error.ts";
import type { ElfFile } from "../reader.ts";
import { refersToSymbolsUnknown } from "../views/sectionTypes.ts";
import type { NewContent } from "./content.ts";
import type { ElfEdits } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

/** Bytes an entry of SHT_LLVM_CALL_GRAPH_PROFILE_V0. */
const CALL_GRAPH_ENTRY = 16;

/** Sections that list symbol indices in their own formats. */
export function writeSymbolLists(edits: ElfEdits, numbering: Numbering, content: NewContent): void {
  const { file } = edits;
  const table = file.symbols;
  if (!numbering.symbolsMoved || table === null) return;
  const { sections } = file;
  for (let i = 1; i < sections.count; i++) {
    if (edits.removedSections.has(i) || sections.link(i) !== table.section) continue;
    const type = sections.type(i);
    if (type === SHT_LLVM_ADDRSIG) content.set(i, renumberAddrsig(file, numbering, i, sections.data(i)));
    else if (type === SHT_LLVM_CALL_GRAPH_PROFILE_V0) {
      content.set(i, renumberCallGraph(file, numbering, i, sections.data(i)));
    } else if (refersToSymbolsUnknown(type)) {
      throw new ElfError(
        "edit",
        sections.headerOffset(i),
        `section ${i} of type 0x${type.toString(16)} may list symbols in a way that klplink does not know, and symbols must be renumbered`,
      );
    }
  }
}

function renumberAddrsig(file: ElfFile, numbering: Numbering, section: number, data: Uint8Array): Uint8Array {
  const out: number[] = [];
  for (let at = 0; at < data.length; ) {
    const { value, next } = decodeUleb128(data, at);
    if (value >= numbering.symbolHandles || next > data.length) {
      throw new ElfError(
        "malformed",
        file.sections.offset(section) + at,
        `section ${section} lists symbol ${value}, which does not exist`,
      );
    }
    const symbol = value === 0 ? 0 : numbering.symbolIndex(value);
    if (symbol !== null) append(out, encodeUleb128(symbol));
    at = next;
  }
  return Uint8Array.from(out);
}

/** Entries whose symbols are both still there. */
function renumberCallGraph(file: ElfFile, numbering: Numbering, section: number, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data);
  const view = viewOf(out);
  let end = 0;
  for (let at = 0; at + CALL_GRAPH_ENTRY <= data.length; at += CALL_GRAPH_ENTRY) {
    const symbols = [at, at + 4].map((field) => {
      const symbol = viewOf(data).getUint32(field, file.littleEndian);
      if (symbol < numbering.symbolHandles) return numbering.symbolIndex(symbol);
      throw new ElfError(
        "malformed",
        file.sections.offset(section) + field,
        `section ${section} lists symbol ${symbol}, which does not exist`,
      );
    });
    const kept = symbols.filter((symbol) => symbol !== null);
    if (kept.length < symbols.length) continue;
    out.copyWithin(end, at, at + CALL_GRAPH_ENTRY);
    for (const [k, symbol] of kept.entries()) view.setUint32(end + k * 4, symbol, file.littleEndian);
    end += CALL_GRAPH_ENTRY;
  }
  return out.subarray(0, end);
}
