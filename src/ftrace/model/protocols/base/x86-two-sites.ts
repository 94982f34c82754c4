// x86-64: two functions whose sites change in one batch, so that an NMI can meet a breakpoint of its own while the
// task that it interrupts has just met another.

import type { PlaceSource, Protocol, WriterStep } from "../../protocol.ts";
import { x86 } from "./x86.ts";

export const twoSites = {
  ...x86,
  tasks: 1,
  patchedThroughout: true,
  entries: { f: "f+5", g: "g+5" },
  registers: { ret: "?", ops: "?", trap: "?" },
  encodings: { int3: ["cc"], "call A": ["e8", "A"], "call B": ["e8", "B"] },
  memory: { "f.first": "e8", "f.tail": "A", "g.first": "e8", "g.tail": "A" },
} as const satisfies Partial<Protocol>;

export const twoSitePlaces: Readonly<Record<string, PlaceSource>> = {
  f: { cells: ["f.first", "f.tail"], next: "f+5" },
  g: { cells: ["g.first", "g.tail"], next: "g+5" },
  tracer: { run: "callback ops; pop ret; jump ret", title: "the callback runs, then returns" },
};

/** `next` is the site's own end here, so one table serves both sites. */
export const twoSiteCalls = {
  "call A": 'ops = "A"; push next; goto tracer',
  "call B": 'ops = "B"; push next; goto tracer',
  int3: "trap = next; goto handler",
} as const;

export const twoSiteWriter: readonly WriterStep[] = [
  { write: { "f.first": "cc", "g.first": "cc" }, note: "writes cc over byte 0 of both sites" },
  { sync: true, note: "syncs all CPUs" },
  { write: { "f.tail": "B", "g.tail": "B" }, note: "writes bytes 1 to 4 of both calls" },
  { sync: true, note: "syncs all CPUs" },
  { write: { "f.first": "e8", "g.first": "e8" }, note: "writes byte 0 of both calls" },
  { sync: true, note: "syncs all CPUs" },
];
