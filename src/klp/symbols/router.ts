import { SHF_ALLOC, SHF_GROUP, SHF_INFO_LINK, SHF_RELA_LIVEPATCH, SHT_RELA } from "../../elf/consts.ts";
import { RELA } from "../../elf/views/layout.ts";
import type { ElfEdits, SectionHandle } from "../../elf/writer/edits.ts";
import type { AddedRelocations, RelocationFields } from "../../elf/writer/relocationEdits.ts";
import { formatKlpSection, parseKlpSectionObject } from "./names.ts";

/**
 * Puts relocations into the section that they belong to: `.rela.SECTION`, or `.klp.rela.OBJECT.SECTION`.
 * Found by what it relocates, not by its name alone: two sections may have the same name. Made where missing.
 */
export class RelocationRouter {
  readonly #edits: ElfEdits;
  /** `object:target` -> relocation section; the object is empty for ordinary relocations. */
  readonly #sections = new Map<string, SectionHandle>();
  #livepatchCount = 0;
  /** Members of section groups; the flag SHF_GROUP alone may be wrong. */
  readonly #grouped = new Set<SectionHandle>();

  constructor(edits: ElfEdits) {
    this.#edits = edits;
    const { sections } = edits.file;
    for (const group of edits.file.groups) for (const member of group.members) this.#grouped.add(member);
    for (const table of edits.file.relocations) {
      if (!table.hasAddends) continue;
      const object = sections.hasFlags(table.section, SHF_RELA_LIVEPATCH)
        ? parseKlpSectionObject(sections.name(table.section))
        : "";
      if (object === null) continue;
      const key = `${object}:${table.target}`;
      if (!this.#sections.has(key)) this.#sections.set(key, table.section);
    }
  }

  /** Number of relocations put into livepatch sections so far. */
  get livepatchCount(): number {
    return this.#livepatchCount;
  }

  /** @param object null for an ordinary relocation, else the object whose loading it waits for. */
  add(target: SectionHandle, object: string | null, relocation: RelocationFields): void {
    this.place(target, object).push(relocation);
  }

  /** Where one relocation is to be put, which the caller does. @param object as {@link add} has it */
  place(target: SectionHandle, object: string | null): AddedRelocations {
    if (object !== null) this.#livepatchCount++;
    const last = this.#last;
    if (last !== null && last.target === target && last.object === object) return last.rows;
    const rows = this.#edits.relocationsOf(this.#findSection(target, object));
    this.#last = { target, object, rows };
    return rows;
  }

  /** Where the relocation before went: most of those that follow one another go to the same section. */
  #last: { readonly target: SectionHandle; readonly object: string | null; readonly rows: AddedRelocations } | null =
    null;

  #findSection(target: SectionHandle, object: string | null): SectionHandle {
    const key = `${object ?? ""}:${target}`;
    const known = this.#sections.get(key);
    if (known !== undefined) return known;
    const { sections } = this.#edits.file;
    const added = this.#edits.addedSections[target - sections.count];
    const targetName = added?.name ?? sections.name(target);
    const inGroup = added === undefined && this.#grouped.has(target);
    const flags = (object === null ? 0 : SHF_ALLOC | SHF_RELA_LIVEPATCH) | SHF_INFO_LINK | (inGroup ? SHF_GROUP : 0);
    const section = this.#edits.addSection({
      name: object === null ? `.rela${targetName}` : formatKlpSection(object, targetName),
      type: SHT_RELA,
      flags: BigInt(flags),
      link: this.#edits.symbolTable().section,
      info: target,
      addralign: 8,
      entsize: RELA.size,
      data: new Uint8Array(0),
    });
    this.#sections.set(key, section);
    return section;
  }
}
