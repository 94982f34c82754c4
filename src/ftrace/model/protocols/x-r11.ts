import type { Protocol } from "../protocol.ts";
import { inner, innerCalls } from "./base/x86-inner.ts";
import { r11Places, r11Writer } from "./base/x86-r11.ts";

export default {
  ...inner,
  name: "X-r11",
  title: "int3 trampoline with ip in r11, interrupts off",
  about:
    "The 2018 patch. Interrupts stay off in the trampoline, so that the syncs order the writer's variables with it; an NMI that runs through it saves and restores r11.",
  expect: "holds",
  registers: { ...inner.registers, r11: "?" },
  memory: { ...inner.memory, update_func: 0, dest: 0 },
  places: r11Places(true),
  instructions: { ...innerCalls, int3: "trap = here; goto handler" },
  writer: r11Writer,
} as const satisfies Protocol;
