// From a comparison to the diff object.

import { printable } from "../base/bytes.ts";
import { append } from "../base/lists.ts";
import { levelOf, type Problem, problem } from "../diag/catalogue.ts";
import { STB_WEAK } from "../elf/consts.ts";
import type { NewSymbol } from "../elf/writer/newObject.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { orphanSiteProblems } from "../klp/rules/orphanSites.ts";
import type { CallbackKind } from "./canon/annotations.ts";
import type { Item, Unit } from "./canon/unit.ts";
import type { Diff } from "./diff.ts";
import { Emitter } from "./emit/emit.ts";
import type { DiffForm } from "./emit/forms/form.ts";
import { toKpatch } from "./emit/forms/kpatch.ts";
import { toObjtool } from "./emit/forms/objtool.ts";
import {
  addGlueTables,
  addNamespaces,
  addNote,
  addPatchTables,
  type ReplacedObject,
  type Replacement,
} from "./emit/patchTables.ts";
import { copyRebuilt } from "./emit/rebuilt.ts";
import type { Elsewhere } from "./emit/resolve.ts";
import { SharedParts } from "./emit/sharedParts.ts";
import { type Inclusion, type InclusionReason, include, type SiteOf } from "./take/include.ts";
import { literalProblems } from "./take/literals.ts";
import type { Told } from "./take/namesakes.ts";
import { type OtherSize, otherSize } from "./take/oldSize.ts";
import { TargetObject } from "./take/refer.ts";

/** What changed in one object file, for one object of the kernel. */
export interface Part {
  readonly diff: Diff;
  /** `vmlinux`, or the module that the object files belong to. */
  readonly object: string;
  readonly siteOf: SiteOf;
}

export interface TakenPart extends Part {
  readonly inclusion: Inclusion;
  readonly replaced: readonly Replacement[];
  /** Positions of names that the target has several times, as far as they were found out. */
  readonly told: ReadonlyMap<string, Told>;
}

export interface Extract {
  /** The diff object; null where an error was found, or nothing is to be replaced. */
  readonly bytes: Uint8Array | null;
  /** In the order in which they were given. */
  readonly parts: readonly TakenPart[];
  readonly problems: readonly Problem[];
}

/** A part while its pieces are put together. */
interface Work extends TakenPart {
  readonly emitter: Emitter;
  readonly target: TargetObject;
}

export interface ExtractOptions {
  /** Positions of symbols that were stated, by `NAME` or `OBJECT:NAME`. */
  readonly positions?: ReadonlyMap<string, number>;
  readonly form?: DiffForm;
  /** Other objects of the patch are linked to this one later: what is in no kernel may be there. */
  readonly isPartial?: boolean;
  /** For kpatch's form: `.kpatch.arch` is wanted. */
  readonly hasKlpArch?: boolean;
}

/** Takes out what changed in all parts of a patch, as one object. The parts are of one architecture. */
export function extract(list: readonly Part[], kernel: Kernel, options: ExtractOptions = {}): Extract {
  const { positions = new Map(), isPartial = false } = options;
  const parts = new SharedParts(options.form);
  const works: Work[] = [];
  const problems: Problem[] = [];
  for (const part of list) {
    const inclusion = include(part.diff, part.siteOf);
    const target = new TargetObject(kernel, part.object, positions, isPartial);
    const found = replacements(part.diff, inclusion, target);
    append(problems, inclusion.problems);
    append(problems, found.problems);
    append(problems, thereAlready(part.diff, target));
    append(problems, literalProblems(part.diff, inclusion));
    const elsewhere = (name: string): ReturnType<Elsewhere> => defined(name, part.object);
    const emitter = new Emitter(part.diff, inclusion, target, parts, elsewhere);
    works.push({ ...part, inclusion, target, emitter, replaced: found.replaced, told: target.told });
  }
  const defined = definitions(works);
  for (const { emitter } of works) emitter.place();
  for (const { emitter } of works) {
    emitter.relocate();
    copyRebuilt(emitter);
    append(problems, emitter.problems);
  }
  const objects = patchedObjects(works, problems);
  append(problems, withoutStates(works, parts.form));
  const result = { parts: works, problems: unique(problems) };
  const [first] = works;
  const hasError = problems.some((p) => levelOf(p) === "error");
  if (first === undefined || hasError || works.every((w) => w.inclusion.items.size === 0))
    return { ...result, bytes: null };
  const { file } = first.diff.patched.unit;
  addNamespaces(parts.out, new Set(works.flatMap((w) => [...w.emitter.namespaces])));
  finishForm(works, objects, parts, kernel, options);
  return { ...result, bytes: parts.out.build(file.header.machine, file.header.flags, file.littleEndian) };
}

/** What belongs to the form alone. */
function finishForm(
  works: readonly Work[],
  objects: readonly ReplacedObject[],
  { out, form, klpTargets }: SharedParts,
  kernel: Kernel,
  { hasKlpArch = false }: ExtractOptions,
): void {
  const [first] = works;
  if (first === undefined) return;
  const { file, arch } = first.diff.patched.unit;
  const table = { littleEndian: file.littleEndian, absolute: arch.absolute };
  switch (form) {
    case "klplink":
      addGlueTables(out, objects, Buffer.concat(works.map((w) => w.diff.annotations.states)), table);
      addNote(out, file.littleEndian, noteOf(works));
      return;
    case "objtool":
      addPatchTables(out, objects, table);
      toObjtool(out, klpTargets, table);
      return;
    case "kpatch":
      toKpatch(out, klpTargets, objects, table, {
        addressOf: ({ owner, name, position }) =>
          owner === "vmlinux" ? (kernel.find(name)[Math.max(0, position - 1)]?.address ?? 0n) : 0n,
        isExported: (name) => kernel.exportOf(name) !== null,
        hasArch: hasKlpArch,
        lateTables: LATE_TABLES,
      });
  }
}

/** Tables that kernels before 5.8 read from `.klp.arch` sections when the patched module is there. */
const LATE_TABLES = [".altinstructions", ".parainstructions"];

/** States are a part of klplink's form alone. */
function withoutStates(works: readonly Work[], form: DiffForm): Problem[] {
  if (form === "klplink") return [];
  return works.flatMap(({ diff }) =>
    diff.annotations.states.length === 0 ? [] : [problem("KLP736", { file: diff.patched.unit.path }, { form })],
  );
}

/** Finds what the parts define for one another: by its name, and the object that it is used in. */
function definitions(works: readonly Work[]): (name: string, user: string) => ReturnType<Elsewhere> {
  const byName = new Map<string, { work: Work; item: Item }[]>();
  for (const work of works) {
    const { unit } = work.diff.patched;
    for (const item of unit.items) {
      if (item.isLocal || item.symbol === 0 || item.isInit) continue;
      for (const symbol of [item.symbol, ...item.aliases]) {
        const name = unit.symbols.name(symbol);
        const list = byName.get(name);
        if (list === undefined) byName.set(name, [{ work, item }]);
        else list.push({ work, item });
      }
    }
  }
  return (name, user) => {
    const all = byName.get(name) ?? [];
    const found =
      all.find(({ work }) => work.object === user) ?? all.find(({ work }) => work.object === "vmlinux") ?? all[0];
    if (found === undefined) return null;
    const { work, item } = found;
    const twin = work.diff.correlation.back.get(item);
    if (twin !== undefined) return twin.isLocal ? targetOf(work, twin) : null;
    const symbol = work.emitter.placeOf(item)?.symbol ?? null;
    if (symbol === null) return null;
    return { kind: "copy", symbol, waitsFor: work.object === user || work.object === "vmlinux" ? null : work.object };
  };
}

/** What was static in the original and is used by others now. */
const targetOf = ({ diff, object, target }: Work, twin: Item): ReturnType<Elsewhere> => ({
  kind: "target",
  object,
  name: twin.name,
  position: target.positionOf(diff.orig.unit, twin),
});

/** What the kernel is told of each object; what two parts say of one thing is a problem. */
function patchedObjects(works: readonly Work[], problems: Problem[]): ReplacedObject[] {
  const objects = new Map<string, ToldOfObject>();
  const said = new Map<string, string>();
  const once = (what: string, { diff, object }: Work, { section, entry }: Item): boolean => {
    const { unit } = diff.patched;
    const before = said.get(`${object} ${what}`);
    said.set(`${object} ${what}`, before ?? unit.path);
    if (before === undefined) return true;
    const at = { file: unit.path, section: unit.file.sections.name(section), offset: entry };
    problems.push(problem("KLP721", at, { what, object, other: before }));
    return false;
  };
  for (const work of works) {
    const { callbacks } = work.diff.annotations;
    if (work.inclusion.items.size === 0 && callbacks.size === 0) continue;
    const known: ToldOfObject = objects.get(work.object) ?? { functions: [], callbacks: new Map() };
    objects.set(work.object, known);
    for (const { patched, name, position, oldSize } of work.replaced) {
      const symbol = work.emitter.placeOf(patched)?.symbol ?? null;
      if (once(position === 0 ? name : `${name},${position}`, work, patched))
        known.functions.push({ symbol, name, position, oldSize });
    }
    for (const [kind, item] of callbacks) {
      const symbol = work.emitter.placeOf(item)?.symbol ?? null;
      if (once(`the ${kind} callback`, work, item)) known.callbacks.set(kind, symbol);
    }
  }
  const all = [...objects].map(([name, { functions, callbacks }]) => ({ name, functions, callbacks }));
  // An object that only gets what others use needs no entry beside theirs.
  const patched = all.filter((o) => o.functions.length > 0 || o.callbacks.size > 0);
  return patched.length > 0 ? patched : all;
}

type Callbacks = Map<CallbackKind, NewSymbol | null>;

interface ToldOfObject {
  readonly functions: ReplacedObject["functions"][number][];
  readonly callbacks: Callbacks;
}

/** The functions to be replaced, by their names and positions in the target. */
function replacements(
  diff: Diff,
  inclusion: Inclusion,
  target: TargetObject,
): { replaced: Replacement[]; problems: Problem[] } {
  const replaced: Replacement[] = [];
  const problems: Problem[] = [];
  const sizes: OtherSize[] = [];
  for (const { orig, patched } of inclusion.replaced) {
    const position = target.positionOf(diff.orig.unit, orig);
    const found = target.klp(target.object, orig.name, target.object, position);
    const { unit } = diff.orig;
    const at = { file: unit.path, section: unit.sectionName(orig), offset: orig.entry };
    if (isOverridden(target, unit, orig)) {
      problems.push(problem("KLP739", at, { name: orig.name, object: target.object }));
      continue;
    }
    if (found.ok && position !== null) {
      const patch = { name: orig.name, position, symbol: printable(orig.name) };
      if (target.object === "vmlinux") append(problems, orphanSiteProblems(target.kernel, patch, at));
      const size = otherSize(unit, orig, target.kernel, { object: target.object, position });
      if (size !== null) sizes.push(size);
      replaced.push({ patched, name: orig.name, position, oldSize: diff.orig.unit.symbols.size(orig.symbol) });
      continue;
    }
    const count = found.ok ? 0 : found.count;
    const data = { name: orig.name, object: target.object };
    problems.push(
      count === 0 ? problem("KLP709", at, data) : problem("KLP708", at, { ...data, count, inModules: false }),
    );
  }
  if (sizes.length > 0) {
    const data = { sizes, object: target.object, count: inclusion.replaced.length };
    problems.push(problem("KLP743", { file: diff.orig.unit.path }, data));
  }
  return { replaced, problems };
}

/** Global names that are new in the object, and that the target has: what uses them there goes on with its own. */
function thereAlready({ functions, data, patched }: Diff, { kernel, object, isVmlinux }: TargetObject): Problem[] {
  const isThere = (name: string): boolean =>
    isVmlinux
      ? kernel.find(name).some(({ letter }) => letter !== letter.toLowerCase())
      : kernel
          .placedSymbols(object)
          ?.find(name)
          .some((s) => s.isGlobal) === true;
  return [...functions, ...data].flatMap(({ status, name, patched: item }) => {
    if (status !== "new" || item === null || item.isLocal || item.isInit || !isThere(name)) return [];
    const at = { file: patched.unit.path, section: patched.unit.sectionName(item), offset: item.entry };
    return [problem("KLP740", at, { name, object, isFunction: item.kind === "function" })];
  });
}

/** Whether vmlinux has another definition of what is weak in the object: then its symbol is not weak. */
function isOverridden({ isVmlinux, kernel }: TargetObject, { symbols }: Unit, { symbol, name }: Item): boolean {
  if (!isVmlinux || symbols.bind(symbol) !== STB_WEAK) return false;
  const all = kernel.find(name);
  return all.length > 0 && !all.some(({ letter }) => /^[wv]$/i.test(letter));
}

/** One problem for each thing that is wrong, not for each place. */
function unique(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((p) => {
    const key = `${p.code} ${JSON.stringify(p.data)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Why an item is taken, in words. */
export function reasonText(reason: InclusionReason): string {
  switch (reason.kind) {
    case "changed":
      return "changed";
    case "new":
      return "new";
    case "callback":
      return "a callback of the livepatch";
    case "part":
      return `part of ${reason.of.name}`;
    case "caller":
      return `calls ${reason.of.name}, which has no patch site`;
    case "used":
      return reason.by.name === "" ? "used" : `used by ${reason.by.name}`;
  }
}

function noteOf(works: readonly Work[]): unknown {
  return {
    schema: "klplink-diff-object/1",
    objects: works.map(({ diff, object, inclusion, replaced }) => ({
      orig: diff.orig.unit.path,
      patched: diff.patched.unit.path,
      object,
      functions: replaced.map((r) => ({ name: r.name, sympos: r.position, new: r.patched.name })),
      taken: [...inclusion.items].flatMap(([item, reason]) =>
        item.name === "" ? [] : [{ name: item.name, why: reasonText(reason) }],
      ),
    })),
  };
}
