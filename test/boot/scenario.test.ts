// The judge of boots itself: what counts as the kernel's complaint. Lines in the form in which kernels print them.

import { expect, test } from "vitest";
import { isComplaint } from "./scenario.ts";

test.each([
  [4, "hrtimer: interrupt took 345453 ns"],
  [4, "workqueue: drm_fb_helper_damage_work hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND"],
  [4, "klp_nonop: loading out-of-tree module taints kernel."],
  [6, "livepatch: enabling patch 'klp_nonop'"],
])("no complaint: <%i>%s", (level, text) => {
  expect(isComplaint({ level, text })).toBe(false);
});

test.each([
  [4, "module_64: klp_nonop: Expected nop after call, got 7c691b78 at 0xc008000000020020"],
  [3, "livepatch: symbol 'no_such' not found in symbol table"],
  [4, "WARNING: CPU: 0 PID: 41 at kernel/livepatch/core.c:1 klp_enable_patch+0x0/0x10"],
  [0, "Oops: Kernel access of bad area, sig: 11 [#1]"],
])("a complaint: <%i>%s", (level, text) => {
  expect(isComplaint({ level, text })).toBe(true);
});
