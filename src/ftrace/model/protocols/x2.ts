import type { Protocol } from "../protocol.ts";
import { calls, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X2",
  title: "no int3: byte 0, then the rest; nop -> call",
  about: "Between the two writes the site is a call to nowhere (`e8` with the nop's last four bytes), sync or not.",
  expect: ["O5"],
  registers,
  memory: { first: "0f", tail: "1f440000" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: "goto site+5" },
  writer: [
    { write: { first: "e8" }, note: "writes byte 0 of the new instruction" },
    { sync: true, note: "syncs all CPUs" },
    { write: { tail: "A" }, note: "writes bytes 1 to 4" },
    { sync: true, note: "syncs all CPUs" },
  ],
} as const satisfies Protocol;
