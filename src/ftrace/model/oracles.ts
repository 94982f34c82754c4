// What is asked behind the site (the properties O1 to O4, O6 and L), and of the writer's words.

import type { Model } from "./compile.ts";
import { type ModelFault, show, stackPointer, type TaskContext } from "./state.ts";
import type { Value } from "./statements.ts";

/** What is wrong with a context that has come to the entry `end`'s place behind the site. */
export function faultsAtEnd(
  { atEnd, protocol, entries, places }: Model,
  context: TaskContext,
  end: number,
): ModelFault[] {
  const faults: ModelFault[] = [];
  const nameOf = (place: number | undefined): string => places[place ?? 0]?.name ?? "";
  if (entries[context.origin]?.end !== entries[end]?.end) {
    const what = `a task that entered at ${nameOf(entries[context.origin]?.at)} goes on at ${nameOf(entries[end]?.end)}`;
    faults.push({ property: "O1", what });
  }
  for (const { property, register, name, value } of atEnd) {
    const found = register < 0 ? stackPointer(context.stack, context.below) : context.registers[register];
    if (found !== value)
      faults.push({ property, what: `behind the site ${name} is ${show(found)}, not ${show(value)}` });
  }
  if (context.ran > 1) faults.push({ property: "O3", what: `the callback ran ${context.ran} times in one entry` });
  if (protocol.patchedThroughout === true) {
    if (context.ran !== 1) {
      const what = context.ran === 0 ? "the callback did not run" : `the callback ran ${context.ran} times`;
      faults.push({ property: "O4", what: `the site is a call before and after, but ${what}` });
    }
    if (!context.redirected) {
      faults.push({
        property: "L",
        what: "the function is patched before and after, but its old version is executed",
      });
    }
  }
  return faults;
}

/** Words that the writer replaces while they may be executed, and that the architecture does not allow that for. */
export function patchingNotes({ protocol, cells }: Model): string[] {
  const allowed = protocol.patchable;
  if (allowed === undefined) return [];
  const now = new Map<string, Value>(Object.entries(protocol.memory));
  const notes = new Set<string>();
  for (const step of protocol.writer) {
    for (const [cell, value] of Object.entries(step.write ?? {})) {
      const old = now.get(cell);
      now.set(cell, value);
      if (cells.find((c) => c.name === cell)?.isCode !== true || old === value || step.stopMachine === true) continue;
      if (allowed.includes(String(old)) && allowed.includes(String(value))) continue;
      notes.add(
        `${cell}: \`${old}\` becomes \`${value}\` while it may be executed; the architecture allows that only between ${allowed.join(", ")}`,
      );
    }
  }
  return [...notes];
}
