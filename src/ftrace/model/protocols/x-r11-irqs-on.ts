import type { Protocol } from "../protocol.ts";
import { inner, innerCalls } from "./base/x86-inner.ts";
import { r11Places, r11Writer } from "./base/x86-r11.ts";

export default {
  ...inner,
  name: "X-r11-irqs-on",
  title: "int3 trampoline with ip in r11, interrupts on",
  about:
    "The same trampoline without clearing IF: the writer may finish and take its variables back before the trampoline reads them. The call is then taken for one of a site.",
  expect: ["O4", "L"],
  registers: { ...inner.registers, r11: "?" },
  memory: { ...inner.memory, update_func: 0, dest: 0 },
  places: r11Places(false),
  instructions: { ...innerCalls, int3: "trap = here; goto handler" },
  writer: r11Writer,
} as const satisfies Protocol;
