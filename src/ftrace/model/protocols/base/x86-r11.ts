// x86-64: the trampoline of the 2018 patch. The handler has no room to push a return address, so it returns to a
// trampoline that does; the interrupted address goes there in %r11. The trampoline compares it with the inner call
// that is being changed, and goes to the new function, or for a site to ftrace_regs_caller.

import type { PlaceSource, WriterStep } from "../../protocol.ts";
import { innerPlaces, innerWriter } from "./x86-inner.ts";

const trampoline: PlaceSource = {
  run: "push &inner+5; if r11 != [update_func]: goto caller; ops = [dest]; goto function",
  title: "ftrace_int3_call_trampoline",
};

/** `irqsOff`: the handler clears IF in the frame that it returns to the trampoline with. */
export const r11Places = (irqsOff: boolean): Readonly<Record<string, PlaceSource>> => ({
  ...innerPlaces,
  handler: { run: "r11 = trap; goto trampoline", irqsOff: true, title: "#BP handler leaves ip in r11" },
  trampoline: { ...trampoline, irqsOff },
});

export const r11Writer: readonly WriterStep[] = [
  { write: { update_func: "&inner", dest: "list" }, note: "publishes the inner call and its new function" },
  ...innerWriter,
  { write: { update_func: 0, dest: 0 }, note: "takes them back" },
];
