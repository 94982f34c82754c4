// All protocols that klplink knows, one file each.

import type { Protocol } from "../protocol.ts";
import a1 from "./a1.ts";
import a2 from "./a2.ts";
import a3Disable from "./a3-disable.ts";
import a3Enable from "./a3-enable.ts";
import a4Disable from "./a4-disable.ts";
import a4Enable from "./a4-enable.ts";
import a5 from "./a5.ts";
import a6 from "./a6.ts";
import a7Disable from "./a7-disable.ts";
import a7Enable from "./a7-enable.ts";
import b1 from "./b1.ts";
import b1Clobber from "./b1-clobber.ts";
import b2Atomic from "./b2-atomic.ts";
import b2Forward from "./b2-forward.ts";
import b2Stepwise from "./b2-stepwise.ts";
import b3First from "./b3-first.ts";
import b3Last from "./b3-last.ts";
import c1Disable from "./c1-disable.ts";
import c1Enable from "./c1-enable.ts";
import c1Modify from "./c1-modify.ts";
import c2 from "./c2.ts";
import c2Atomic from "./c2-atomic.ts";
import c3 from "./c3.ts";
import pH1 from "./p-h1.ts";
import pH1Atomic from "./p-h1-atomic.ts";
import pH1Reverse from "./p-h1-reverse.ts";
import pH1b from "./p-h1b.ts";
import pH1c from "./p-h1c.ts";
import pH2 from "./p-h2.ts";
import pH2Atomic from "./p-h2-atomic.ts";
import pH3Three from "./p-h3-three.ts";
import pH3Two from "./p-h3-two.ts";
import pH4Disable from "./p-h4-disable.ts";
import pH4Enable from "./p-h4-enable.ts";
import pH4Modify from "./p-h4-modify.ts";
import xCallRegs from "./x-call-regs.ts";
import xEmulateDisable from "./x-emulate-disable.ts";
import xEmulateEnable from "./x-emulate-enable.ts";
import xEmulateModify from "./x-emulate-modify.ts";
import xListTrampoline from "./x-list-trampoline.ts";
import xPercontext from "./x-percontext.ts";
import xPercpu from "./x-percpu.ts";
import xR11 from "./x-r11.ts";
import xR11IrqsOn from "./x-r11-irqs-on.ts";
import x1 from "./x1.ts";
import x1bDisable from "./x1b-disable.ts";
import x1bEnable from "./x1b-enable.ts";
import x1c from "./x1c.ts";
import x1d from "./x1d.ts";
import x2 from "./x2.ts";
import x2TailFirst from "./x2-tail-first.ts";
import x3 from "./x3.ts";
import x4 from "./x4.ts";
import x5 from "./x5.ts";
import x6 from "./x6.ts";
import x7 from "./x7.ts";

/** In the order of `klplink model --list`. */
export const protocols: readonly Protocol[] = [
  x1,
  x1bEnable,
  x1bDisable,
  x1c,
  x1d,
  x2,
  x2TailFirst,
  x3,
  x4,
  x5,
  x6,
  x7,
  xCallRegs,
  xEmulateEnable,
  xEmulateDisable,
  xEmulateModify,
  xR11,
  xR11IrqsOn,
  xListTrampoline,
  xPercpu,
  xPercontext,
  a1,
  a2,
  a3Enable,
  a3Disable,
  a4Enable,
  a4Disable,
  a5,
  a6,
  a7Enable,
  a7Disable,
  b1,
  b1Clobber,
  b2Stepwise,
  b2Forward,
  b2Atomic,
  b3Last,
  b3First,
  c1Enable,
  c1Disable,
  c1Modify,
  c2,
  c2Atomic,
  c3,
  pH1,
  pH1Reverse,
  pH1Atomic,
  pH1b,
  pH1c,
  pH2,
  pH2Atomic,
  pH3Two,
  pH3Three,
  pH4Enable,
  pH4Disable,
  pH4Modify,
];

/** The protocol of this name, whatever its case; null if there is none. */
export function findProtocol(name: string): Protocol | null {
  return protocols.find((p) => p.name.toLowerCase() === name.toLowerCase()) ?? null;
}
