import type { Protocol } from "../protocol.ts";
import { registers, x86, x86Today } from "./base/x86.ts";

const whole = x86Today("call A", "A", "e8");

export default {
  ...x86,
  name: "X3",
  title: "int3 without the first sync; nop -> call",
  about: "A CPU may still fetch the old byte 0 together with the new last four bytes.",
  expect: ["O5"],
  registers: { ...registers, trap: "?" },
  memory: { first: "0f", tail: "1f440000", refs: 0, vector: "" },
  ...whole,
  writer: whole.writer.filter((_, k) => k !== 2),
} as const satisfies Protocol;
