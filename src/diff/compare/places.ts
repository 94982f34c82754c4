// Where items lie: in what kind of section, and how they are aligned.

import { SHF_WRITE } from "../../elf/consts.ts";
import { alignmentOf, bundledName } from "../canon/sections.ts";
import type { Item, Unit } from "../canon/unit.ts";

type Units = readonly [orig: Unit, patched: Unit];

/** In words, to which other kind of section an item moved: code that becomes init code, data that becomes writable, or per-CPU. Null: to none. */
export function movedPlace([orig, patched]: Units, a: Item, b: Item): string | null {
  const [section, other] = [orig.sectionName(a), patched.sectionName(b)];
  if (section === other || placeName(orig, a) === placeName(patched, b)) return null;
  const becomesWritable = !isWritable(orig, a) && isWritable(patched, b);
  const isElsewhere = isPerCpu(section) !== isPerCpu(other);
  if (a.kind === "object" && a.isInit === b.isInit && !becomesWritable && !isElsewhere) return null;
  return `in ${section}, then in ${other}`;
}

/**
 * In words, to what an object is aligned where that is more than before: the kernel's lies where it lies, and code may rely on it. Null: to no
 * more, or its section has several, which does not tell.
 */
export function largerAlignment([orig, patched]: Units, a: Item, b: Item): string | null {
  if (a.kind !== "object") return null;
  const aligned = (unit: Unit, { section }: Item): number | null =>
    bundledName(unit.file.sections.name(section)) !== null && unit.inSection(section).length === 1
      ? alignmentOf(unit.file.sections, section)
      : null;
  const [one, other] = [aligned(orig, a), aligned(patched, b)];
  return one === null || other === null || other <= one ? null : `aligned to ${one}, then to ${other} bytes`;
}

export const isWritable = (unit: Unit, item: Item): boolean =>
  unit.file.sections.hasFlags(item.section, SHF_WRITE) &&
  !/^\.data(?:\.rel)?\.ro\b|ro_after_init/.test(unit.sectionName(item));

const isPerCpu = (section: string): boolean => /^\.data\.?\.percpu/.test(section);

/** What kind of section an item is in, without the item's own name. */
function placeName(unit: Unit, item: Item): string {
  const section = unit.sectionName(item);
  const bundled = bundledName(section);
  const kind = bundled === null ? section : section.slice(0, -bundled.length - 1);
  return kind.replace(/^\.rodata.*/, ".rodata").replace(/^\.(?:bss|sbss|sdata)$/, ".data");
}
