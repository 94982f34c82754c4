// What the ppc64le module loader adds to a module (arch/powerpc/kernel/module_64.c of 6.1, 6.12 and 7.2; ELFv2), in kernels
// with a TOC; ppc64lePcrel.ts has those without one, ppc64leStubs.ts what both have.
//
// A module has one TOC, and r2 points 0x8000 behind its start. A call that leaves the module goes through a stub in
// `.stubs`. The stub saves r2 at 24(r1) and loads the target from its own last doubleword; the nop behind the call becomes
// the load that brings r2 back. Calls of the profiler go through a stub of another form, which takes addresses relative to
// the kernel's TOC.

import type { OrderedView } from "../base/bytes.ts";
import type { ElfFile } from "../elf/reader.ts";
import type { SymbolTable } from "../elf/views/symbols.ts";
import type { RelocTable } from "../reloc/def.ts";
import type { Finding, Hook, Site, Space } from "../reloc/engine.ts";
import { BCTR, decodeBranch, LD_R2_24_R1, MTCTR_R12, NOP, STD_R2_24_R1 } from "./insn.ts";
import {
  type ArchLoader,
  type LoaderFacts,
  lastByName,
  type ModuleLoader,
  type Preparation,
  type SectionChange,
} from "./loader.ts";
import {
  countStubs,
  fixedStubs,
  PROFILER,
  STUB_SIZE,
  StubArea,
  type StubForm,
  signed64,
  sortedRows,
} from "./ppc64leStubs.ts";

const lo = (v: bigint): number => Number(BigInt.asUintN(16, v));
/** The upper half for a lower half that is added with its sign. */
const ha = (v: bigint): number => Number(BigInt.asUintN(16, (v + 0x8000n) >> 16n));
const is32Bit = (v: bigint): boolean => v >= -0x8000_0000n && v <= 0x7fff_ffffn;

/** A module's TOC base: r2 while its code runs. @param tocSection address of `.toc`, or of `.stubs` without one */
export function tocBase(tocSection: bigint): bigint {
  return BigInt.asUintN(64, (tocSection & ~0xffn) + 0x8000n);
}

/** Instructions of the stub at `address`, 7 words; null if the TOC base is out of its reach. */
export function stubWords(address: bigint, toc: bigint): number[] | null {
  const relative = signed64(address - toc);
  if (!is32Bit(relative)) return null;
  return [
    (0x3d62_0000 | ha(relative)) >>> 0, // addis r11,r2,stub@ha
    (0x396b_0000 | lo(relative)) >>> 0, // addi  r11,r11,stub@l
    STD_R2_24_R1,
    0xe98b_0020, // ld    r12,32(r11)
    MTCTR_R12,
    BCTR,
    0,
  ];
}

/** Instructions of the stub for the profiler's functions; null if `target` is out of reach of the kernel's TOC. */
export function ftraceStubWords(target: bigint, kernelToc: bigint, pacaTocOffset: number): number[] | null {
  const relative = signed64(target - kernelToc);
  if (!is32Bit(relative)) return null;
  return [
    (0xe98d_0000 | pacaTocOffset) >>> 0, // ld    r12,kernel_toc(r13)
    (0x3d8c_0000 | ha(relative)) >>> 0, // addis r12,r12,target@ha
    (0x398c_0000 | lo(relative)) >>> 0, // addi  r12,r12,target@l
    MTCTR_R12,
    BCTR,
    0,
    0,
  ];
}

/**
 * R_PPC64_ENTRY: the large-model prologue `ld r2,disp(r12); add r2,r2,r12` becomes `addis r2,r12; addi r2,r2` when the
 * TOC base is near enough. Everything else is left as it is.
 */
export function rewriteEntry(view: OrderedView, at: number, P: bigint, TOC: bigint): void {
  const distance = signed64(TOC - P);
  if (BigInt.asUintN(64, distance + 0x8000_8000n) > 0xffff_ffffn) return;
  if ((view.getUint32(at) & ~0xfffc) >>> 0 !== 0xe84c_0000) return;
  if (view.getUint32(at + 4) !== 0x7c42_6214) return;
  view.setUint32(at, (0x3c4c_0000 | ha(distance)) >>> 0);
  view.setUint32(at + 4, (0x3842_0000 | lo(distance)) >>> 0);
}

const orderOf: ArchLoader["order"] = (_file, _symbols, table, version) =>
  table.hasAddends ? sortedRows(table, { version }) : null;

function prepare(file: ElfFile, symbols: SymbolTable, facts: LoaderFacts): Preparation {
  const orders = new Map<number, Uint32Array>();
  const changes = new Map<number, SectionChange>();
  const stubs = lastByName(file, ".stubs");
  if (stubs === 0) return { orders, changes, refusals: [{ fault: "no .stubs", module: facts.module }] };
  let count = fixedStubs(file, facts);
  for (const table of file.relocations) {
    const order = orderOf(file, symbols, table, facts.version);
    if (order === null) continue;
    orders.set(table.section, order);
    count += countStubs(table, order);
  }
  changes.set(stubs, { size: count * STUB_SIZE });
  const toc = lastByName(file, ".toc");
  if (toc !== 0 && file.sections.addralign(toc) < 8) changes.set(toc, { alignment: 8 });
  return { orders, changes, refusals: [] };
}

/** What stubs hold where r2 is the module's TOC base. */
function tocForm(toc: bigint, { module, kernelToc, pacaTocOffset }: LoaderFacts): StubForm {
  return {
    call: (address) => {
      const words = stubWords(address, toc);
      if (words !== null) return { words };
      return { refusal: { fault: "stubs far from TOC", module, distance: BigInt.asUintN(64, address - toc) } };
    },
    profiler: (name, target) => {
      const words = ftraceStubWords(target, kernelToc ?? target, pacaTocOffset);
      if (words !== null) return { words };
      return { refusal: { fault: "far from kernel TOC", module, name } };
    },
    unknown:
      kernelToc === null
        ? {
            start: 4,
            end: 12,
            reason: "the kernel's TOC base is not known: give a System.map with .TOC., or --kernel-toc",
          }
        : null,
  };
}

/** Turns the nop behind a call into the load of r2. False, with a report, if there is none. */
function restoresToc(
  name: string,
  { view, at, P }: Pick<Site, "view" | "at" | "P">,
  facts: LoaderFacts,
  report: (f: Finding) => void,
): boolean {
  if (PROFILER.has(name)) return true;
  const branch = decodeBranch(view.getUint32(at));
  if (branch === null || branch.absolute || !branch.links) return true;
  const next = at + 4;
  const address = BigInt.asUintN(64, P + 4n);
  if (next + 4 > view.byteLength) {
    report({ kind: "no-nop", word: null, address });
    return false;
  }
  const word = view.getUint32(next);
  if (word === LD_R2_24_R1 && facts.has("ppcRestoredCall")) return true;
  if (word !== NOP) {
    report({ kind: "no-nop", word, address });
    return false;
  }
  view.setUint32(next, LD_R2_24_R1);
  return true;
}

function begin(
  file: ElfFile,
  symbols: SymbolTable,
  relocs: RelocTable,
  space: Space,
  facts: LoaderFacts,
): ModuleLoader {
  const tocSection = lastByName(file, ".toc") || lastByName(file, ".stubs");
  const TOC = tocBase(space.addresses[tocSection] ?? 0n);
  const area = new StubArea(file, space, facts, tocForm(TOC, facts));
  const branch = area.branches(symbols, (name, site, report) => restoresToc(name, site, facts, report));
  const entry: Hook = (site) => {
    rewriteEntry(site.view, site.at, site.P, TOC);
    return true;
  };
  return area.loader(relocs, { branch, entry }, TOC);
}

export const ppc64leTocLoader: ArchLoader = {
  dedots: true,
  ignoredSymbol: null,
  order: orderOf,
  prepare,
  begin,
};
