// The verify pass: a loaded module's memory against what the loader makes of its file.

import { hex } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC } from "../../elf/consts.ts";
import { symtabOf } from "../../kernel/loader/layout.ts";
import { readModInfo } from "../../kernel/module/modinfo.ts";
import { withExportTable } from "../../kernel/running/addresses.ts";
import type { KernelMemory } from "../../kernel/running/memory.ts";
import { parseKlpSectionObject } from "../../klp/symbols/names.ts";
import { openModule, type Subject } from "../open.ts";
import { type ImageOptions, type ImageSection, imageOf, type ModuleImage } from "./image.ts";

export interface VerifyOptions extends Omit<ImageOptions, "stage" | "running" | "late"> {
  readonly memory: KernelMemory;
  /** Whether symbols that are not functions can be known at all; without it, an unknown one says little of the module. */
  readonly listsData?: boolean;
  /** Whether an object (a module) is loaded, so that livepatch relocations for it have been applied. */
  readonly isLoaded: (object: string) => boolean;
}

/** One section, compared. Bytes. */
export interface VerifiedSection {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
  readonly equal: number;
  /** Bytes that differ where the kernel may write, by reason. */
  readonly explained: ReadonlyMap<string, number>;
  readonly different: number;
}

/** One section that was not compared. */
export interface Left {
  readonly name: string;
  readonly reason: string;
}

export interface Unread extends Left {
  /** What of it is not to be had; null: nothing, but it depends on another's address. */
  readonly lacks: "address" | "memory" | null;
}

export interface VerifyResult {
  readonly problems: readonly Problem[];
  readonly sections: readonly VerifiedSection[];
  /** Sections that the kernel does not keep, with the reason. */
  readonly left: readonly Left[];
  /** Sections that should have been compared and could not be. */
  readonly unread: readonly Unread[];
  readonly image: ModuleImage | null;
  readonly arch: string;
  readonly module: string;
}

/** Differences that are reported one by one. */
const SHOWN = 20;

/** @throws Unusable if the module's file cannot be read. */
export function verify(bytes: Uint8Array, options: VerifyOptions): VerifyResult {
  return verifyOf(openModule(bytes, options.file), options);
}

/** As {@link verify}, of an opened module. */
export function verifyOf(subject: Subject, options: VerifyOptions): VerifyResult {
  const result = imageOf(subject, {
    ...options,
    kernel: options.kernel === null ? null : withExportTable(options.kernel, options.memory, subject.arch),
    stage: "loaded",
    running: true,
    late: lateObjects(subject, options),
  });
  const problems = [...result.problems];
  const sections: VerifiedSection[] = [];
  const left: Left[] = [];
  const unread: Unread[] = [];
  const made = result.image;
  const { arch, module } = result;
  if (made === null) return { problems, sections, left, unread, image: null, arch, module };
  const unlisted = options.listsData === false ? unlistedSymbols(problems, options) : null;
  if (unlisted !== null) return { problems: unlisted, sections, left, unread, image: null, arch, module };
  const kept = keptSections(made, options, left, unread);
  const isPlaced = unread.length === 0;
  const compared = new ComparedSections(made, options.file, problems);
  for (const section of kept) {
    const { name, address, bytes: expected } = section;
    // A build id that is where it was said to be tells whether it is this module at all.
    const isMissing = unread.some((u) => u.name === name);
    if (!isPlaced && (name !== BUILD_ID || isMissing)) {
      if (!isMissing) unread.push({ name, reason: "it may depend on an address that is missing", lacks: null });
      continue;
    }
    const found = options.memory(address, expected.length);
    if (found === null) unread.push({ name, reason: "its memory cannot be read", lacks: "memory" });
    else sections.push(compared.compare(section, found));
  }
  return { problems, sections, left, unread, image: made, arch, module };
}

/** The sections that the kernel keeps; the others go to `left`, and those whose address is not known to `unread`, too. */
function keptSections(
  made: ModuleImage,
  { placement }: VerifyOptions,
  left: Left[],
  unread: Unread[],
): readonly ImageSection[] {
  const whyGone = goneReason(made);
  const tables = symtabOf(made.file);
  const kept: ImageSection[] = [];
  for (const section of made.sections) {
    const { name, index } = section;
    if (section.bytes.length === 0) continue;
    const reason = whyGone(section);
    if (reason !== null) left.push({ name, reason });
    else kept.push(section);
    // No bytes depend on where the symbol table is, and without CONFIG_KALLSYMS it is nowhere.
    if (reason === UNLOADING || index === tables?.symtab || index === tables?.strtab) continue;
    if (placement.byIndex?.has(index) === true || placement.sections.has(name)) continue;
    unread.push({ name, reason: "its address is missing", lacks: "address" });
  }
  return kept;
}

/** Compares sections with memory; differences become problems, as many as are shown. */
class ComparedSections {
  readonly #made: ModuleImage;
  readonly #file: string;
  readonly #problems: Problem[];
  #shown = 0;

  constructor(made: ModuleImage, file: string, problems: Problem[]) {
    this.#made = made;
    this.#file = file;
    this.#problems = problems;
  }

  compare({ name, address, index, bytes: expected }: ImageSection, found: Uint8Array): VerifiedSection {
    if (name === BUILD_ID && Buffer.compare(expected, found) !== 0) {
      const data = { loaded: buildId(found), file: buildId(expected) };
      this.#problems.unshift(problem("KLP222", { file: this.#file }, data));
    }
    const reasons = reasonsOf(this.#made, index, expected.length);
    const explained = new Map<string, number>();
    let equal = 0;
    let different = 0;
    let run = -1;
    const flush = (end: number): void => {
      if (run < 0) return;
      // Another build id is said as such.
      if (name !== BUILD_ID && this.#shown++ < SHOWN) {
        const show = (b: Uint8Array): string => Buffer.from(b.subarray(run, Math.min(end, run + 8))).toString("hex");
        const sides = { count: end - run, expected: show(expected), found: show(found) };
        const at = { file: this.#file, section: name, offset: run };
        this.#problems.push(problem("KLP220", at, { ...sides, address: hex(address + BigInt(run)) }));
      }
      run = -1;
    };
    for (let i = 0; i < expected.length; i++) {
      if (expected[i] === found[i]) {
        equal++;
        flush(i);
        continue;
      }
      const reason = reasons?.[i];
      if (reason !== undefined && reason !== 0) {
        const text = this.#made.unknown[reason - 1]?.reason ?? "";
        explained.set(text, (explained.get(text) ?? 0) + 1);
        flush(i);
        continue;
      }
      different++;
      if (run < 0) run = i;
    }
    flush(expected.length);
    return { name, address, size: expected.length, equal, explained, different };
  }
}

const UNLOADING = "exit code, of no use without CONFIG_MODULE_UNLOAD";

/** Tells why the kernel does not keep a section; null if it does. */
function goneReason({ file, layout }: ModuleImage): (section: ImageSection) => string | null {
  const vermagic = readModInfo(file)?.get("vermagic") ?? "";
  const unloads = vermagic === "" || / mod_unload\b/.test(vermagic);
  return ({ name, index }) => {
    if (layout.places[index]?.region.startsWith("init.") === true) return "init memory, freed after init";
    // Not loaded before 5.14, and since then in init memory.
    return unloads || !name.startsWith(".exit") ? null : UNLOADING;
  };
}

/** What is wrong but for unknown symbols, and those as one: the kernel does not list them. Null if all are known. */
function unlistedSymbols(problems: readonly Problem[], { file, kernel }: VerifyOptions): Problem[] | null {
  const names = problems.flatMap((p) => (p.code === "KLP401" ? [(p.data as { symbol: string }).symbol] : []));
  if (names.length === 0) return null;
  const data = { count: names.length, names: names.slice(0, 5), source: kernel?.source ?? "" };
  return [...problems.filter((p) => p.code !== "KLP401"), problem("KLP224", { file }, data)];
}

const BUILD_ID = ".note.gnu.build-id";
/** The note's header: three sizes, and the name `GNU`. */
const NOTE_HEADER = 16;

const buildId = (note: Uint8Array): string => Buffer.from(note.subarray(NOTE_HEADER)).toString("hex");

/** For each byte, one more than the index of the range that covers it; null if none does. */
function reasonsOf(made: ModuleImage, section: number, size: number): Uint32Array | null {
  let reasons: Uint32Array | null = null;
  for (const [i, range] of made.unknown.entries()) {
    if (range.section !== section) continue;
    reasons ??= new Uint32Array(size);
    reasons.fill(i + 1, range.start, range.end);
  }
  return reasons;
}

/** Objects whose livepatch relocations the kernel has applied after loading the module. */
function lateObjects({ file: { sections } }: Subject, options: VerifyOptions): string[] {
  const objects = new Set<string>();
  for (let i = 1; i < sections.count; i++) {
    if (!sections.hasFlags(i, SHF_ALLOC)) continue;
    const object = parseKlpSectionObject(sections.name(i));
    if (object !== null && object !== "vmlinux" && options.isLoaded(object)) objects.add(object);
  }
  return [...objects];
}
