// Functions that are on the stack of some task at any time: a transition that waits until they are not never ends.

import { itemContent } from "../canon/content.ts";
import { mentioners } from "../canon/mentions.ts";
import { calledName, itemIn } from "../canon/targets.ts";
import type { Item } from "../canon/unit.ts";
import type { Side } from "../compare/compare.ts";

const SLEEP = "tasks that sleep do so below it, and kernel threads and many others sleep most of the time";
const THREAD = "it is the main loop of kernel threads that every kernel has";
const IDLE = "each CPU's idle task is in it whenever the CPU has nothing to do, and before the first task that it runs";

/**
 * Functions of 6.1, 6.12 and 7.2 by name, and why. From kernel/sched/core.c, idle.c, kernel/kthread.c, workqueue.c, smpboot.c,
 * kernel/rcu, mm/vmscan.c, compaction.c, init/main.c: what /proc/PID/stack shows at the bottom of each kernel thread, and what
 * switches tasks.
 */
const KNOWN: ReadonlyMap<string, string> = new Map([
  ...["schedule", "__schedule", "schedule_idle", "preempt_schedule_common", "context_switch", "__switch_to"].map(
    (n) => [n, SLEEP] as const,
  ),
  ...["schedule_timeout", "schedule_preempt_disabled"].map((n) => [n, SLEEP] as const),
  ...["kthread", "ret_from_fork", "ret_from_fork_asm", "ret_from_kernel_thread", "ret_from_kernel_user_thread"].map(
    (n) => [n, "it begins every kernel thread, and stays on its stack"] as const,
  ),
  ...[
    ...["worker_thread", "rescuer_thread", "kthread_worker_fn", "kthreadd", "smpboot_thread_fn", "rcu_gp_kthread"],
    ...["rcu_tasks_kthread", "rcu_nocb_gp_kthread", "rcu_nocb_cb_kthread", "kswapd", "kcompactd"],
    ...["oom_reaper", "khugepaged", "ksm_scan_thread", "irq_thread", "kauditd_thread", "hwrng_fillfn", "devtmpfsd"],
    ...["kjournald2", "xfsaild", "scsi_error_handler", "io_wq_worker", "io_sq_thread", "vhost_task_fn"],
    ...["psi_rtpoll_worker"],
  ].map((n) => [n, THREAD] as const),
  ...[
    "do_idle",
    "cpu_startup_entry",
    "rest_init",
    "start_secondary",
    "secondary_start_kernel",
    "cpuidle_idle_call",
  ].map((n) => [n, IDLE] as const),
]);

/** Functions that make a kernel thread of a function (include/linux/kthread.h, sched/task.h, sched/vhost_task.h). */
const MAKERS = new Set([
  ...["kthread_create_on_node", "kthread_create_on_cpu", "kernel_thread", "user_mode_thread", "create_io_thread"],
  "vhost_task_create",
]);

/** Functions that only the main function of a kernel thread has a reason to ask. */
const ASKS = new Set(["kthread_should_stop", "kthread_should_park", "kthread_parkme", "kthread_freezable_should_stop"]);

export interface OnStack {
  readonly why: string;
  readonly isThread: boolean;
}

/** Which of some functions of an object are on some stack at any time. @returns by item */
export function alwaysOnStack(side: Side, asked: readonly Item[]): Map<Item, OnStack> {
  const found = new Map<Item, OnStack>();
  const { unit } = side;
  const handedOut = new Set<Item>();
  const sections = new Set(asked.map((i) => i.section));
  for (const user of mentioners(unit, sections)) {
    if (user.kind === "anonymous") continue;
    const { references } = itemContent(unit, user);
    let waiting: Item[] = [];
    for (const r of references) {
      const item = itemIn(r.target);
      const isAddress = !r.isBranch && item?.kind === "function" && item !== user;
      if (isAddress && item !== null) {
        handedOut.add(item);
        waiting.push(item);
      }
      const callee = r.isBranch ? calledName(r.target) : null;
      if (callee !== null && MAKERS.has(callee)) {
        for (const f of waiting) {
          const why = `\`${user.name}\` gives it to ${callee}: it stays on the stack of that thread for as long as it runs`;
          found.set(f, { why, isThread: true });
        }
      }
      if (r.isBranch) waiting = [];
    }
  }
  for (const item of asked) {
    if (item.kind !== "function" || found.has(item)) continue;
    const known = KNOWN.get(item.name);
    if (known !== undefined) found.set(item, { why: known, isThread: known === THREAD });
    else if (handedOut.has(item)) {
      const callees = itemContent(unit, item).references.map((r) => (r.isBranch ? calledName(r.target) : null));
      const call = callees.find((name) => name !== null && ASKS.has(name));
      if (call == null) continue;
      const why = `its address is handed out, and it asks ${call}, as the main function of a thread does`;
      found.set(item, { why, isThread: true });
    }
  }
  return found;
}

/** Functions that an object puts on the blacklist of kprobes: NOKPROBE_SYMBOL (asm-generic/kprobes.h). */
export function blacklisted({ unit }: Side): Set<Item> {
  const found = new Set<Item>();
  for (const item of unit.items) {
    if (unit.sectionName(item) !== "_kprobe_blacklist") continue;
    for (const r of itemContent(unit, item).references) {
      const function_ = itemIn(r.target);
      if (function_ !== null) found.add(function_);
    }
  }
  return found;
}
