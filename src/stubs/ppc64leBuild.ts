// Kernels of ppc64le are built in two ways that are not a matter of the version: with a TOC, or (CONFIG_PPC_KERNEL_PCREL) with
// addresses relative to the program counter. Their module loaders take other relocations and want other sections.

import { SHF_ALLOC } from "../elf/consts.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { Feature } from "../reloc/def.ts";
import { ppc64le } from "../reloc/ppc64le.ts";

const TOC: ReadonlySet<Feature> = new Set(["toc"]);
const PCREL: ReadonlySet<Feature> = new Set(["pcrel"]);
const PCREL_TYPES: ReadonlySet<number> = new Set(ppc64le.flatMap((d) => (d.feature === "pcrel" ? [d.type] : [])));

/**
 * How the kernel is built that a module is for. The kernel's symbols tell if they have `relative_toc`
 * (arch/powerpc/kernel/head_64.S): kernels with a TOC have `p_toc` beside it, or `.TOC.`; the others neither. Without
 * them, the module tells: one for a PCREL kernel has `.mygot`, or relocations that only such kernels take.
 * @param has whether the kernel has a symbol of that name; null: nothing is known of the kernel
 */
export function ppc64leFeatures(file: ElfFile, has: ((name: string) => boolean) | null): ReadonlySet<Feature> {
  if (has !== null) {
    if (has(".TOC.") || has("p_toc")) return TOC;
    if (has("relative_toc")) return PCREL;
  }
  return isForPcrel(file) ? PCREL : TOC;
}

function isForPcrel(file: ElfFile): boolean {
  if (file.sections.findByName(".mygot") !== null) return true;
  return file.relocations.some((table) => {
    if (!file.sections.hasFlags(table.target, SHF_ALLOC)) return false;
    for (let row = 0; row < table.count; row++) if (PCREL_TYPES.has(table.type(row))) return true;
    return false;
  });
}
