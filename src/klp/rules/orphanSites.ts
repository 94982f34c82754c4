// Functions of vmlinux for which the kernel takes, or may take, the patch site of overridden weak code behind them.

import { type Problem, problem } from "../../diag/catalogue.ts";
import type { Place } from "../../diag/define.ts";
import type { Kernel } from "../../kernel/kernel.ts";

/** @param patched `symbol` is the name as it may be shown; position among its namesakes from 1, 0: it is the only one */
export function orphanSiteProblems(
  kernel: Kernel,
  { name, position, symbol }: { readonly name: string; readonly position: number; readonly symbol: string },
  at: Place,
): Problem[] {
  const address = kernel.find(name)[Math.max(0, position - 1)]?.address;
  const next = address === undefined ? null : kernel.nextSymbol(address);
  if (address === undefined || next === null) return [];
  const record = kernel.findFtraceRecord(address, next);
  if (record?.kind !== "orphan" && record?.kind !== "unclear") return [];
  const data = { symbol, offset: `0x${(record.address - address).toString(16)}` };
  return [problem(record.kind === "orphan" ? "KLP602" : "KLP603", at, data)];
}
