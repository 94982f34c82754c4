// What klp_enable_patch (kernel/livepatch/core.c) will make of the patch's tables.

import { printable } from "../../base/bytes.ts";
import { append } from "../../base/lists.ts";
import { LOADING } from "../../base/loadOrder.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import { SHF_EXECINSTR, SHF_WRITE } from "../../elf/consts.ts";
import { longestSymbolName } from "../../kernel/versionFacts.ts";
import type { Patch, PatchedFunction, PatchedObject, SectionPlace } from "../patch/tables.ts";
import type { RuleContext } from "./context.ts";
import { orphanSiteProblems } from "./orphanSites.ts";
import { findPosition, isFreed, lookupProblems } from "./sections.ts";

/** MODULE_NAME_LEN - 1: an object's name in a table. */
const LONGEST_OBJECT = 55;

export function checkPatches(context: RuleContext, patches: readonly Patch[]): Problem[] {
  return patches.flatMap((patch) => [
    ...checkStructs(context, patch),
    ...checkTwins(context, patch),
    ...patch.objects.flatMap((object, k) => checkObject(context, patch, object, k)),
  ]);
}

/** Two objects of one name: each has a folder of that name. What reads kpatch's table makes one object of them. */
function checkTwins(context: RuleContext, { kind, objects }: Patch): Problem[] {
  if (kind === "kpatch") return [];
  return objects.flatMap(({ name, at }, k) => {
    if (objects.findIndex((o) => o.name === name) === k) return [];
    return [problem("KLP453", placeOf(context, at), { object: printable(name) }, { loadOrder: LOADING.objectTwin(k) })];
  });
}

/** The structures themselves: pointers of struct klp_patch, ends of arrays, and the memory that they stand in. */
function checkStructs(context: RuleContext, patch: Patch): Problem[] {
  if (patch.kind !== "klp_patch") return [];
  const problems: Problem[] = [];
  if (patch.lacks !== undefined) {
    const what = patch.lacks === "mod" ? "mod is not set in struct klp_patch" : "objs is not set in struct klp_patch";
    const help = patch.lacks === "mod" ? "set .mod = THIS_MODULE" : "set .objs to the array of objects";
    problems.push(problem("KLP440", placeOf(context, patch.at), { what, help }, { loadOrder: LOADING.patch }));
  }
  const stays: { what: string; at: SectionPlace }[] = [{ what: "struct klp_patch", at: patch.at }];
  if (patch.array !== undefined) {
    stays.push({ what: "the array of objects", at: patch.array });
    if (patch.isOpen === true) problems.push(openArray(context, patch.array, "the array of objects"));
  }
  for (const object of patch.objects) {
    if (object.array === undefined || object.array === null) continue;
    const what = `the array of functions of ${printable(object.name)}`;
    stays.push({ what, at: object.array });
    if (object.isOpen === true) problems.push(openArray(context, object.array, what));
  }
  return [...problems, ...stays.flatMap(({ what, at }) => checkMemory(context, what, at))];
}

const openArray = (context: RuleContext, at: SectionPlace, what: string): Problem =>
  problem("KLP447", placeOf(context, at), { what, section: printable(context.file.sections.name(at.section)) });

/** The kernel writes into the structures when the patch is enabled, and uses them for as long as the module is there. */
function checkMemory(context: RuleContext, what: string, at: SectionPlace): Problem[] {
  const { sections } = context.file;
  const section = sections.name(at.section);
  const data = { what, section: printable(section) };
  if (!sections.hasFlags(at.section, SHF_WRITE) || section === ".data..ro_after_init") {
    return [problem("KLP448", placeOf(context, at), data)];
  }
  return isFreed(context.file, at.section) ? [problem("KLP449", placeOf(context, at), data)] : [];
}

function placeOf({ file, path }: RuleContext, at: SectionPlace): Place {
  return { file: path, section: file.sections.name(at.section), offset: at.offset };
}

function checkObject(context: RuleContext, patch: Patch, object: PatchedObject, index: number): Problem[] {
  const at = placeOf(context, object.at);
  const problems: Problem[] = [];
  const refuse = (what: string, help: string): void => {
    problems.push(problem("KLP440", at, { what, help }, { loadOrder: LOADING.object(index) }));
  };
  const name = printable(object.name);
  if (!object.hasFunctions)
    refuse(`object ${name} has no functions`, "give it an array of functions, which may be empty");
  if (object.name.length > LONGEST_OBJECT) {
    refuse(
      `the name of object ${name.slice(0, 40)}… has ${object.name.length} bytes, more than ${LONGEST_OBJECT}`,
      "no module can have that name",
    );
  } else if (patch.kind !== "kpatch" && object.isNamed && object.name === "vmlinux") {
    problems.push(problem("KLP445", at, {}));
  } else if (!/^\w+$/.test(object.name)) problems.push(problem("KLP428", at, { object: name }));
  const seen = new Map<string, PatchedFunction>();
  for (const [k, patched] of object.functions.entries()) {
    // sysfs shows position 0 as 1.
    const key = `${patched.oldName ?? ""},${Math.max(1, patched.position)}`;
    const first = seen.get(key);
    const place = placeOf(context, patched.at);
    if (first !== undefined && patched.oldName !== null) {
      problems.push(
        problem(
          "KLP441",
          place,
          { name: printable(key), object: name },
          { loadOrder: LOADING.functionEntry(index, k) },
        ),
      );
    }
    seen.set(key, patched);
    append(problems, checkFunction(context, patched, index, k));
  }
  return problems;
}

function checkFunction(context: RuleContext, patched: PatchedFunction, object: number, index: number): Problem[] {
  const { kernel, version } = context;
  const at = placeOf(context, patched.at);
  const { oldName, position } = patched;
  const early = { loadOrder: LOADING.functionEntry(object, index) };
  const enabling = { loadOrder: LOADING.functionSearch(object, index) };
  if (oldName === null || oldName === "") {
    const data = { what: "an entry has no old_name", help: "set old_name to the function that is replaced" };
    return [problem("KLP440", at, data, early)];
  }
  const shown = printable(oldName);
  const problems: Problem[] = [];
  if (patched.replacement === null) {
    const data = { what: `the entry of ${shown} has no new_func`, help: "set new_func to the replacement" };
    problems.push(problem("KLP440", at, data, early));
  }
  const limit = longestSymbolName(version);
  if (oldName.length > limit) {
    const what = `old_name has ${oldName.length} bytes, more than ${limit}: ${shown.slice(0, 40)}…`;
    problems.push(problem("KLP440", at, { what, help: "the kernel's KSYM_NAME_LEN sets the limit" }, early));
    return problems;
  }
  const found = findPosition(kernel, patched.object, oldName, position);
  // What belongs to a module is looked up when that module is there.
  const isVmlinux = patched.object === "vmlinux";
  append(
    problems,
    lookupProblems(
      found,
      { object: patched.object, name: oldName, position },
      kernel,
      () => at,
      isVmlinux ? enabling : {},
    ),
  );
  if (found.kind === "found" && lacksSite(context, patched)) {
    const more = isVmlinux ? { loadOrder: LOADING.patching(object, index) } : {};
    problems.push(problem("KLP442", at, { symbol: shown, object: printable(patched.object) }, more));
  } else if (found.kind === "found" && isVmlinux) append(problems, orphanProblems(context, patched, shown, at));
  return [...problems, ...checkReplacement(context, patched, shown, at)];
}

/** Whether it is certain that ftrace cannot patch the function. */
function lacksSite({ kernel }: RuleContext, { object, oldName, position }: PatchedFunction): boolean {
  if (kernel === null || oldName === null) return false;
  const index = Math.max(0, position - 1);
  if (object !== "vmlinux") {
    const module = kernel.modules.get(object);
    const symbol = module?.find(oldName)[index];
    return module !== undefined && symbol !== undefined && module.hasFtraceSite(symbol) === false;
  }
  const address = kernel.find(oldName)[index]?.address;
  if (address === undefined) return false;
  const next = kernel.nextSymbol(address);
  return next !== null && kernel.hasFtraceSite(address, next) === false;
}

/** The patch of a function for which the kernel takes, or may take, the site of overridden weak code behind it. */
function orphanProblems({ kernel }: RuleContext, patched: PatchedFunction, symbol: string, at: Place): Problem[] {
  const { oldName, position } = patched;
  return kernel === null || oldName === null ? [] : orphanSiteProblems(kernel, { name: oldName, position, symbol }, at);
}

function checkReplacement(context: RuleContext, patched: PatchedFunction, name: string, at: Place): Problem[] {
  const { file, symbols, functions } = context;
  const { replacement } = patched;
  if (replacement === null) return [];
  if ("undefined" in replacement) {
    const where = `the symbol ${printable(symbols.name(replacement.undefined))}, which this file does not define`;
    return [problem("KLP443", at, { symbol: name, where })];
  }
  if (!file.sections.hasFlags(replacement.section, SHF_EXECINSTR)) {
    const where = `${file.sections.name(replacement.section)}+0x${replacement.offset.toString(16)}, which is not code`;
    return [problem("KLP443", at, { symbol: name, where })];
  }
  if (isFreed(context.file, replacement.section)) {
    const data = { what: `the replacement of ${name}`, section: printable(file.sections.name(replacement.section)) };
    return [problem("KLP449", at, data)];
  }
  const owner = functions.at(replacement.section, replacement.offset);
  if (owner === null) return [];
  const next = functions.after(owner);
  const end = next?.start ?? file.sections.size(owner.section);
  const seen = end - owner.start;
  if (seen === 0 || (owner.start === replacement.offset && owner.size > 0 && seen < owner.size)) {
    const data = { function: printable(owner.name), size: owner.size, seen, next: printable(next?.name ?? "") };
    return [problem("KLP444", at, data)];
  }
  return [];
}
