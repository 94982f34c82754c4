import type { Protocol } from "../protocol.ts";
import { tracer, x86 } from "./base/x86.ts";

const gone = { next: "site+5" } as const;

export default {
  ...x86,
  name: "X5",
  title: "int3 over five one-byte nops; nops -> call",
  about:
    "Five `90` have boundaries inside the site: a task that is preempted there goes on in the middle of the new call. Hence one five-byte nop.",
  expect: ["O5"],
  registers: { ret: "?", ops: "?" },
  encodings: { int3: ["cc"], "call A": ["e8", "A1", "A2", "A3", "A4"], nop: ["90"] },
  memory: { b0: "90", b1: "90", b2: "90", b3: "90", b4: "90" },
  places: {
    site: { cells: ["b0", "b1", "b2", "b3", "b4"], next: "site+1" },
    "site+1": { cells: ["b1", "b2", "b3", "b4"] },
    "site+2": { cells: ["b2", "b3", "b4"] },
    "site+3": { cells: ["b3", "b4"] },
    "site+4": { cells: ["b4"], ...gone },
    ...tracer,
  },
  instructions: { nop: "", "call A": 'ops = "A"; push &site+5; goto tracer', int3: "goto site+5" },
  writer: [
    { write: { b0: "cc" }, note: "writes cc over byte 0" },
    { sync: true, note: "syncs all CPUs" },
    { write: { b1: "A1", b2: "A2", b3: "A3", b4: "A4" }, note: "writes bytes 1 to 4 of the call" },
    { sync: true, note: "syncs all CPUs" },
    { write: { b0: "e8" }, note: "writes byte 0 of the call" },
    { sync: true, note: "syncs all CPUs" },
  ],
} as const satisfies Protocol;
