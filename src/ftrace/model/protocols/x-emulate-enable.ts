import type { Protocol } from "../protocol.ts";
import { registers, x86, x86Today } from "./base/x86.ts";

export default {
  ...x86,
  name: "X-enable",
  title: "today's x86: int3, emulate the new instruction; nop -> call",
  about: "smp_text_poke_batch_finish (7.2), text_poke_bp_batch (6.12).",
  expect: "holds",
  registers: { ...registers, trap: "?" },
  memory: { first: "0f", tail: "1f440000", refs: 0, vector: "" },
  ...x86Today("call A", "A", "e8"),
} as const satisfies Protocol;
