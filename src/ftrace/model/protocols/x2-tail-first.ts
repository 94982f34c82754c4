import type { Protocol } from "../protocol.ts";
import { calls, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X2-tail-first",
  title: "no int3: the last four bytes, then byte 0; nop -> call",
  about: "Wrong order does not help: `0f` with the call's last four bytes is another instruction.",
  expect: ["O5"],
  registers,
  memory: { first: "0f", tail: "1f440000" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: "goto site+5" },
  writer: [
    { write: { tail: "A" }, note: "writes bytes 1 to 4 of the new instruction" },
    { sync: true, note: "syncs all CPUs" },
    { write: { first: "e8" }, note: "writes byte 0" },
    { sync: true, note: "syncs all CPUs" },
  ],
} as const satisfies Protocol;
