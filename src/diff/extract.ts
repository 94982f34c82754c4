// From a comparison to the diff object.

import type { Problem } from "../diag/catalogue.ts";
import { problem } from "../diag/catalogue.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Diff } from "./diff.ts";
import { Emitter } from "./emit.ts";
import { type Inclusion, include, type Reason, type SiteOf } from "./include.ts";
import type { Told } from "./namesakes.ts";
import { addNamespaces, addNote, addPatchTables, type Replacement } from "./patchTables.ts";
import { copyRebuilt } from "./rebuilt.ts";
import { TargetObject } from "./refer.ts";

export interface ExtractOptions {
  readonly kernel: Kernel;
  /** `vmlinux`, or the module that the objects belong to. */
  readonly object: string;
  readonly positions: ReadonlyMap<string, number>;
  readonly siteOf: SiteOf;
}

export interface Extract {
  /** The diff object; null where an error was found, or nothing is to be replaced. */
  readonly bytes: Uint8Array | null;
  readonly inclusion: Inclusion;
  readonly replaced: readonly Replacement[];
  readonly problems: readonly Problem[];
  /** Positions of names that the target has several times, as far as they were found out. */
  readonly told: ReadonlyMap<string, Told>;
}

/** Takes out what changed. */
export function extract(diff: Diff, { kernel, object, positions, siteOf }: ExtractOptions): Extract {
  const inclusion = include(diff, siteOf);
  const target = new TargetObject(kernel, object, positions);
  const emitter = new Emitter(diff, inclusion, target);
  emitter.emit();
  copyRebuilt(emitter);
  const { replaced, problems: missing } = replacements(diff, inclusion, target);
  const problems = [...inclusion.problems, ...emitter.problems, ...missing];
  if (problems.length > 0 || inclusion.items.size === 0)
    return { bytes: null, inclusion, replaced, problems: unique(problems), told: target.told };
  addPatchTables(emitter, object, replaced, diff.annotations);
  addNamespaces(emitter);
  addNote(emitter, noteOf(diff, inclusion, replaced, object));
  const { machine, flags } = diff.patched.unit.file.header;
  const bytes = emitter.out.build(machine, flags, diff.patched.unit.file.littleEndian);
  return { bytes, inclusion, replaced, problems: [], told: target.told };
}

/** The functions to be replaced, by their names and positions in the target. */
function replacements(
  diff: Diff,
  inclusion: Inclusion,
  target: TargetObject,
): { replaced: Replacement[]; problems: Problem[] } {
  const replaced: Replacement[] = [];
  const problems: Problem[] = [];
  for (const { orig, patched } of inclusion.replaced) {
    const position = target.positionOf(diff.orig.unit, orig);
    const found = target.klp(target.object, orig.name, target.object, position);
    if (found.ok && position !== null) {
      replaced.push({ patched, name: orig.name, position });
      continue;
    }
    const { unit } = diff.orig;
    const at = { file: unit.path, section: unit.sectionName(orig), offset: orig.entry };
    const count = found.ok ? 0 : found.count;
    const data = { name: orig.name, object: target.object };
    problems.push(
      count === 0 ? problem("KLP709", at, data) : problem("KLP708", at, { ...data, count, inModules: false }),
    );
  }
  return { replaced, problems };
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
export function reasonText(reason: Reason): string {
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

function noteOf(diff: Diff, inclusion: Inclusion, replaced: readonly Replacement[], object: string): unknown {
  return {
    schema: "klplink-diff-object/1",
    orig: diff.orig.unit.path,
    patched: diff.patched.unit.path,
    object,
    functions: replaced.map((r) => ({ name: r.name, sympos: r.position, new: r.patched.name })),
    taken: [...inclusion.items].flatMap(([item, reason]) =>
      item.name === "" ? [] : [{ name: item.name, why: reasonText(reason) }],
    ),
  };
}
