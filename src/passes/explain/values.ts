// Which relocations can have given the number that a line of dmesg prints. Addresses of a module differ from load to load,
// but by whole pages: so the low bits of a value are known, and where only a distance within the module counts, all are.

import { defined } from "../../base/defined.ts";
import type { Recognised } from "../../diag/messages/define.ts";
import { recogniseLine } from "../../diag/messages/recognise.ts";
import { SHN_ABS, SHN_UNDEF } from "../../elf/consts.ts";
import type { RelocationTable } from "../../elf/views/relas.ts";
import { localEntryOffset } from "../../elf/views/symbols.ts";
import { addressesOf, type KernelAddresses } from "../../kernel/running/addresses.ts";
import { hasFact, type VersionFact } from "../../kernel/versionFacts.ts";
import { parseKlpSymbol } from "../../klp/symbols/names.ts";
import type { RelocDef } from "../../reloc/def.ts";
import type { Analysis, Options } from "../analysis.ts";
import { type ImageResult, imageOf } from "../image/image.ts";
import type { Subject } from "../open.ts";

/** What speaks for a place, and how much. */
export interface Fit {
  readonly score: number;
  readonly because: string;
}

/** A number of which `bits` low bits are certain; 64: all. */
interface Known {
  readonly value: bigint;
  readonly bits: number;
}

/** A page of the smallest size: what the base of a module's memory is aligned to at least. */
const PAGE_BITS = 12;
/** KASLR moves a kernel by multiples of 64 KiB or more. */
const KERNEL_BITS = 16;
const EXACT = 64;

const plus = (a: Known, value: bigint): Known => ({ value: a.value + value, bits: a.bits });
const isSame = (a: bigint, { value, bits }: Known): boolean => BigInt.asUintN(bits, a) === BigInt.asUintN(bits, value);

/** The number that a line prints, as 64 unsigned bits; null if it prints none. */
export function printedValue({ fields }: Recognised): bigint | null {
  if (fields.value !== undefined && /^(?:0x)?[0-9a-f]{1,16}$/.test(fields.value)) {
    return BigInt(`0x${fields.value.replace(/^0x/, "")}`);
  }
  return fields.number !== undefined && /^-?\d{1,20}$/.test(fields.number)
    ? BigInt.asUintN(64, BigInt(fields.number))
    : null;
}

/** A file as the loader would lay it out, at addresses of which the places within a page are those of any load. */
export class ValueFits {
  readonly #analysis: Analysis;
  readonly #kernel: KernelAddresses | null;
  readonly #made: ImageResult["image"];
  readonly #toc: bigint | null;
  readonly #forms = new Map<RelocDef, ReadonlyMap<string, "value" | "target">>();

  private constructor(analysis: Analysis, kernel: KernelAddresses | null, made: ImageResult["image"]) {
    this.#analysis = analysis;
    this.#kernel = kernel;
    this.#made = made;
    this.#toc = made === null ? null : tocOf(made);
  }

  static of(subject: Subject, analysis: Analysis, options: Options): ValueFits {
    const kernel = analysis.kernel === null ? null : addressesOf(analysis.kernel);
    const placement = { bases: new Map(), sections: new Map(), percpu: null };
    const { image: made } = imageOf(subject, {
      file: options.file,
      kernel: null,
      placement,
      stage: "relocated",
      ...defined({ kernelVersion: options.kernelVersion }),
    });
    return new ValueFits(analysis, kernel, made);
  }

  /** Low bits of the address of a place in the module; null if the file cannot be laid out, or the section is not loaded. */
  addressOf(section: number, offset: number): Known | null {
    const start = this.#made?.placed.addresses[section] ?? 0n;
    return start === 0n ? null : { value: start + BigInt(offset), bits: PAGE_BITS };
  }

  /** Whether one relocation can have given the line; null if not. Only the type speaks for it where no number is known. */
  fit(line: Recognised, table: RelocationTable, row: number): Fit | null {
    const def = this.#analysis.arch.relocs.defs.get(table.type(row));
    const printed = printedValue(line);
    if (def === undefined || printed === null) return null;
    const worded = this.#wordedAs(line, def);
    if (worded === null) return null;
    const predicted = this.#predict(def, table, row, worded);
    if (predicted === null) return { score: 1, because: `it is ${def.name}, and its value is not known here` };
    if (!isSame(printed, predicted)) return null;
    const shown = `0x${printed.toString(16)}`;
    return predicted.bits === EXACT
      ? { score: 20, because: `its value is ${shown}` }
      : { score: 10, because: `its value ends like ${shown}, as at any address the module can have` };
  }

  /** Which of a fault's numbers the relocation's own message prints, if the line is in its words; null if it is not. */
  #wordedAs(line: Recognised, def: RelocDef): "value" | "target" | null {
    if (line.fields.type !== undefined && Number(line.fields.type) !== def.type) return null;
    let forms = this.#forms.get(def);
    if (forms === undefined) {
      forms = formsOf(def, this.#analysis.module);
      this.#forms.set(def, forms);
    }
    return forms.get(line.form) ?? null;
  }

  /** The value by the formula of the type, as far as it is known. */
  #predict(def: RelocDef, table: RelocationTable, row: number, prints: "value" | "target"): Known | null {
    const symbol = this.#symbol(table.symbol(row), def);
    if (symbol === null) return null;
    const target = plus(symbol.known, table.addend(row));
    if (prints === "target" || def.value === "S+A") return target;
    const place = this.addressOf(table.target, table.offset(row));
    switch (def.value) {
      case "S+A-P": {
        if (place === null) return null;
        const together =
          this.#region(symbol.section) !== null && this.#region(symbol.section) === this.#region(table.target);
        return { value: target.value - place.value, bits: together ? EXACT : Math.min(target.bits, place.bits) };
      }
      case "S+A-TOC": {
        if (this.#toc === null) return null;
        const together = this.#region(symbol.section) !== null && this.#region(symbol.section) === this.#tocRegion();
        return { value: target.value - this.#toc, bits: together ? EXACT : Math.min(target.bits, PAGE_BITS) };
      }
      default:
        return null;
    }
  }

  #symbol(index: number, def: RelocDef): { readonly known: Known; readonly section: number | null } | null {
    const { symbols } = this.#analysis;
    if (index === 0) return { known: { value: 0n, bits: EXACT }, section: null };
    const section = symbols.sectionOf(index);
    if (section !== null) {
      const start = this.#made?.placed.addresses[section] ?? 0n;
      if (start === 0n || this.#analysis.file.sections.name(section) === ".data..percpu") return null;
      const local = def.hook === "branch" ? BigInt(localEntryOffset(symbols.other(index))) : 0n;
      return { known: { value: start + symbols.value(index) + local, bits: PAGE_BITS }, section };
    }
    const raw = symbols.rawShndx(index);
    if (raw === SHN_ABS) return { known: { value: symbols.value(index), bits: EXACT }, section: null };
    // Calls that leave the module go to a stub, not to the symbol.
    if (def.hook === "branch" || this.#kernel === null) return null;
    const name = symbols.name(index);
    const livepatch = parseKlpSymbol(name);
    const found =
      livepatch !== null
        ? this.#kernel.inObject(livepatch.object, livepatch.name)[Math.max(0, livepatch.position - 1)]
        : raw === SHN_UNDEF
          ? this.#kernel.exported(name)
          : null;
    return found == null ? null : { known: { value: found, bits: KERNEL_BITS }, section: null };
  }

  #region(section: number | null): string | null {
    return section === null ? null : (this.#made?.layout.places[section]?.region ?? null);
  }

  #tocRegion(): string | null {
    const { sections } = this.#analysis.file;
    const section = sections.findByName(".toc") ?? sections.findByName(".got");
    return this.#region(section);
  }
}

/** Kernels among which every wording of a relocation's faults occurs. */
const WORDINGS = [
  [4, 15],
  [5, 10],
  [6, 1],
  [6, 6],
  [6, 12],
  [7, 2],
] as const;

/** The forms in which kernels, old and new, report a relocation's faults, and which number each prints. */
function formsOf(def: RelocDef, module: string): Map<string, "value" | "target"> {
  const forms = new Map<string, "value" | "target">();
  const numbers = { value: 0x11n, target: 0x22n, place: 0x33n };
  for (const kind of ["overflow", "misaligned", "nonzero"] as const) {
    for (const [major, minor] of WORDINGS) {
      const has = (fact: VersionFact): boolean => hasFact({ major, minor }, fact);
      const words = def.message({ kind, module, type: def.type, ...numbers, section: 0, row: 0, has });
      const found = recogniseLine(words.split("\n")[0] ?? "");
      const number = found === null ? null : printedValue(found);
      if (found === null || number === null) continue;
      if (number === numbers.value || number === numbers.target) {
        forms.set(found.form, number === numbers.value ? "value" : "target");
      }
    }
  }
  return forms;
}

/** r2 of the module: the value of its TOC symbol. */
function tocOf({ symbols, values }: NonNullable<ImageResult["image"]>): bigint | null {
  for (let i = 1; i < symbols.count; i++) {
    const name = symbols.name(i);
    if (name === ".TOC." || name === "TOC.") return values[i] ?? null;
  }
  return null;
}
