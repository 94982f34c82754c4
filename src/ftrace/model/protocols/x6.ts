import type { Protocol } from "../protocol.ts";
import { registers, x86, x86Today } from "./base/x86.ts";

const whole = x86Today("call A", "A", "e8");

export default {
  ...x86,
  name: "X6",
  title: "int3 without the last sync before the vector goes; nop -> call",
  about: "A CPU may still fetch the breakpoint when nobody owns it any more: die(int3).",
  expect: ["fault"],
  registers: { ...registers, trap: "?" },
  memory: { first: "0f", tail: "1f440000", refs: 0, vector: "" },
  ...whole,
  writer: whole.writer.filter((_, k) => k !== 6),
} as const satisfies Protocol;
