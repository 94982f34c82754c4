import { EHDR } from "./views/layout.ts";
import { NewContent } from "./writer/content.ts";
import type { ElfEdits } from "./writer/edits.ts";
import { writeGroups } from "./writer/groups.ts";
import { sectionNames, writeHeaders } from "./writer/headers.ts";
import { Numbering } from "./writer/numbering.ts";
import { placeContent } from "./writer/placement.ts";
import { writeRelocations } from "./writer/relocationTables.ts";
import { writeSymbolLists } from "./writer/symbolLists.ts";
import { writeOtherSymbolTables, writeSymbols } from "./writer/symbolTables.ts";

/**
 * The file with its edits. Without edits, the very bytes of the input.
 * What is not edited keeps its bytes; as long as nothing before it changed its size, it keeps its file
 * offset too. Same edits, same bytes. A module signature does not survive an edit.
 * @throws ElfError of kind `edit` when a section refers to symbols or sections in a way that is not known,
 *   so that renumbering could break it; Error when the edits contradict each other (a bug of the caller).
 */
export function writeElf(edits: ElfEdits): Uint8Array {
  const { file } = edits;
  if (edits.isEmpty) return file.bytes;
  const numbering = new Numbering(edits);
  const content = new NewContent(file, numbering, edits.names);
  for (const [section, bytes] of edits.dataEdits) content.set(section, bytes);
  writeSymbols(edits, numbering, content);
  writeOtherSymbolTables(edits, numbering, content);
  writeRelocations(edits, numbering, content);
  writeGroups(edits, numbering, content);
  writeSymbolLists(edits, numbering, content);
  const names = sectionNames(file, numbering, content);
  content.finishStrings();

  const placement = placeContent(file, numbering, content);
  const { offsets, end, unmovedEnd, trailing } = placement;
  const out = new Uint8Array(end + trailing.length);
  out.set(file.bytes.subarray(0, Math.min(unmovedEnd, out.length)));
  out.set(file.bytes.subarray(0, EHDR.size));
  for (const handle of numbering.sectionOrder) {
    const offset = offsets.get(handle);
    const data = handle === 0 ? null : content.of(handle);
    if (offset !== undefined && data !== null && data.length > 0) out.set(data, offset);
  }
  out.set(trailing, end);
  writeHeaders(out, file, { numbering, content, placement, names });
  return out;
}
