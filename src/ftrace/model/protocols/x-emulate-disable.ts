import type { Protocol } from "../protocol.ts";
import { registers, x86, x86Today } from "./base/x86.ts";

export default {
  ...x86,
  name: "X-disable",
  title: "today's x86: int3, emulate the new instruction; call -> nop",
  about: "smp_text_poke_batch_finish (7.2), text_poke_bp_batch (6.12).",
  expect: "holds",
  registers: { ...registers, trap: "?" },
  memory: { first: "e8", tail: "A", refs: 0, vector: "" },
  ...x86Today("nop5", "1f440000", "0f"),
} as const satisfies Protocol;
