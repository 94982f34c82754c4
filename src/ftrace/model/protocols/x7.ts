import type { Protocol } from "../protocol.ts";
import { calls, registers, tracer, x86 } from "./base/x86.ts";

export default {
  ...x86,
  name: "X7",
  title: "five bytes written at once without int3; nop -> call",
  about: "One store does not make one fetch: another CPU may see parts of both instructions.",
  expect: ["O5"],
  registers,
  memory: { first: "0f", tail: "1f440000" },
  places: { site: { cells: ["first", "tail"], next: "site+5" }, ...tracer },
  instructions: { ...calls, int3: "goto site+5" },
  writer: [
    { write: { first: "e8", tail: "A" }, note: "writes all five bytes" },
    { sync: true, note: "syncs all CPUs" },
  ],
} as const satisfies Protocol;
