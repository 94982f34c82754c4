// A livepatch that takes the place of another that is in force: what becomes of the other one's functions, states and variables.

import { viewOf } from "../../base/bytes.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { SHF_ALLOC, SHF_WRITE, STT_OBJECT } from "../../elf/consts.ts";
import { normalModuleName } from "../../kernel/module/modinfo.ts";
import { readPatches } from "../../klp/patch/tables.ts";
import type { Subject } from "../open.ts";

/** Functions of both, each as `OBJECT:NAME`, with `,N` where that is not the only one of its name. */
export interface Succession {
  readonly previous: string;
  readonly kept: readonly string[];
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  readonly problems: readonly Problem[];
}

/** What makes a file unfit as the livepatch before a new one, as far as that has a name only. @param name of the new module */
export function previousProblems(old: Subject, name: string, release: string | null): Problem[] {
  const at = { file: old.path };
  if (functionsOf(old).length === 0) return [problem("KLP844", at, { what: "it patches nothing" })];
  const own = (old.modInfo?.get("vermagic") ?? "").split(" ")[0] ?? "";
  if (release !== null && own !== "" && own !== release)
    return [problem("KLP844", at, { what: `it is for ${own}, the kernel is ${release}` })];
  return normalModuleName(old.module) === normalModuleName(name) ? [problem("KLP845", at, { name })] : [];
}

/** What changes when a finished livepatch takes the place of another. */
export function succession(old: Subject, now: Subject): Succession {
  const [before, after] = [new Set(functionsOf(old)), new Set(functionsOf(now))];
  const kept = [...before].filter((f) => after.has(f));
  const dropped = [...before].filter((f) => !after.has(f));
  const added = [...after].filter((f) => !before.has(f));
  const at = { file: now.path };
  const problems: Problem[] = [];
  if (dropped.length > 0) problems.push(problem("KLP843", at, { previous: old.module, functions: dropped }));
  const states = statesOf(now);
  for (const [id, version] of statesOf(old)) {
    const has = states.get(id) ?? null;
    if (has === null || has < version)
      problems.push(problem("KLP846", at, { id: String(id), version, has, previous: old.module, module: now.module }));
  }
  const lost = variablesOf(old).filter((name) => variablesOf(now).includes(name));
  if (lost.length > 0) problems.push(problem("KLP847", at, { previous: old.module, variables: lost }));
  return { previous: old.module, kept, added, dropped, problems };
}

function functionsOf({ file, symbols, arch }: Subject): string[] {
  const all = readPatches(file, symbols, arch.absolute).flatMap((p) => p.objects.flatMap((o) => o.functions));
  return all.flatMap(({ object, oldName, position }) =>
    oldName === null ? [] : [`${object}:${oldName}${position > 1 ? `,${position}` : ""}`],
  );
}

/**
 * States of a livepatch that klplink's glue enables, with their versions: by the symbols at both ends of the table, and in its layout
 * (glue/klplink.h). Those of other producers' are not known.
 */
function statesOf({ file, symbols }: Subject): Map<bigint, number> {
  const found = new Map<bigint, number>();
  const place = (name: string): readonly [number, number] | null => {
    for (let i = 1; i < symbols.count; i++) {
      const section = symbols.sectionOf(i);
      if (section !== null && symbols.name(i) === name) return [section, symbols.offset(i)];
    }
    return null;
  };
  const [start, end] = [place("__klplink_states"), place("__klplink_states_end")];
  if (start === null || end === null || start[0] !== end[0] || !file.sections.hasBytes(start[0])) return found;
  const bytes = file.sections.data(start[0]);
  const view = viewOf(bytes);
  for (let at = start[1]; at + 16 <= Math.min(end[1], bytes.length); at += 16)
    found.set(view.getBigUint64(at, file.littleEndian), view.getUint32(at + 8, file.littleEndian));
  return found;
}

/** Sections and names that every module has, or every livepatch of klplink's glue. */
const OF_ALL = /^(?:klplink_|__this_module$|states_|__UNIQUE_ID|__key\.|_entry)/;

/** Variables that a module holds and that can be written, its tables left out, without the numbers that compilers add. */
function variablesOf({ file, symbols, arch }: Subject): string[] {
  const names = new Set<string>();
  const tables = readPatches(file, symbols, arch.absolute).flatMap((p) => [
    p.at,
    ...p.objects.flatMap((o) => [o.at, ...o.functions.map((f) => f.at)]),
  ]);
  for (let i = 1; i < symbols.count; i++) {
    const section = symbols.sectionOf(i);
    if (section === null || symbols.type(i) !== STT_OBJECT) continue;
    if (!file.sections.hasFlags(section, SHF_ALLOC) || !file.sections.hasFlags(section, SHF_WRITE)) continue;
    if (!/^\.(?:data|bss)(?!\.rel\.ro|\.\.ro_after_init)/.test(file.sections.name(section))) continue;
    const [from, to] = [symbols.offset(i), symbols.offset(i) + symbols.size(i)];
    if (tables.some((t) => t.section === section && t.offset >= from && t.offset < to)) continue;
    const name = symbols.name(i).replace(/\.\d+$/, "");
    if (!OF_ALL.test(name)) names.add(name);
  }
  return [...names];
}
