import { viewOf } from "../../base/bytes.ts";
import { SHF_GROUP } from "../consts.ts";
import type { NewContent } from "./content.ts";
import type { ElfEdits, SectionHandle } from "./edits.ts";
import type { Numbering } from "./numbering.ts";

/** Section groups: the new indices of their members; an added SHF_GROUP section joins the group of its target. */
export function writeGroups(edits: ElfEdits, numbering: Numbering, content: NewContent): void {
  const { file } = edits;
  const joined = new Map<SectionHandle, SectionHandle[]>();
  const groupOf = new Map<SectionHandle, SectionHandle>();
  for (const group of file.groups) {
    for (const member of group.members) if (!groupOf.has(member)) groupOf.set(member, group.section);
  }
  for (const [k, added] of edits.addedSections.entries()) {
    if ((added.flags & BigInt(SHF_GROUP)) === 0n) continue;
    const group = groupOf.get(added.info);
    if (group === undefined) throw new Error(`added section ${added.name} is SHF_GROUP, but its target is in no group`);
    const members = joined.get(group);
    if (members === undefined) joined.set(group, [file.sections.count + k]);
    else members.push(file.sections.count + k);
  }
  for (const group of file.groups) {
    if (numbering.isRemoved(group.section)) continue;
    const members = [...group.members, ...(joined.get(group.section) ?? [])]
      .map((m) => numbering.sectionIndex(m))
      .filter((m) => m !== null);
    const out = new Uint8Array(4 + members.length * 4);
    const view = viewOf(out);
    view.setUint32(0, group.flags, file.littleEndian);
    for (const [k, m] of members.entries()) view.setUint32(4 + k * 4, m, file.littleEndian);
    if (!Buffer.from(out).equals(file.sections.data(group.section))) content.set(group.section, out);
  }
}
