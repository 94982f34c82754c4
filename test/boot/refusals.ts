// What a kernel says to spoiled modules, and what klplink foresaw.

import { firstRefusal, kernelOf } from "../../src/diag/catalogue.ts";
import type { KernelAddresses } from "../../src/kernel/running/addresses.ts";
import { image } from "../../src/passes/image/image.ts";
import type { Spoiled } from "./spoiled.ts";

/** Lines of the kernel's log about one module, without its time stamps. Warnings about the module's origin are not faults. */
export function saidAbout(name: string, console: string): string[] {
  const lines = console.split("\n").flatMap((line) => /^@k <\d>(?:\[ *[\d.]+\] )?(.*)$/.exec(line)?.[1] ?? []);
  const mine = new RegExp(`(?:^|[^\\w])${name}(?:[^\\w]|$)`);
  const origin = /taints kernel|kernel tainted|tainting kernel/;
  const found = lines.flatMap((line, i) => {
    if (!mine.test(line) || origin.test(line)) return [];
    // x86 says what, and then to which module.
    const before = lines[i - 1] ?? "";
    return /likely not compiled/.test(line) && !mine.test(before) ? [`${before}\n${line}`] : [line];
  });
  // One message of x86 names no module at all.
  return found.length > 0 ? found : lines.filter((line) => line.startsWith("module: x86/modules: "));
}

/** klplink's prediction of the line in dmesg. @param late modules that are loaded, for a livepatch */
export function foreseen({ bytes }: Spoiled, kernel: KernelAddresses, late: readonly string[] = []): string | null {
  const placement = { bases: new Map(), sections: new Map(), percpu: null };
  const stage = late.length === 0 ? "relocated" : "loaded";
  const { problems } = image(bytes, { file: "spoiled.ko", kernel, placement, stage, late });
  const first = firstRefusal(problems);
  return first === null ? null : kernelOf(first);
}

/** Addresses are the running kernel's own; pointers it prints hashed. */
export const withoutAddresses = (text: string | null): string =>
  (text ?? "")
    .replace(/ at (?:0x[0-9a-f]{9,}|\S+\+0x\S+.*)$/, " at ADDRESS")
    .replace(/loc (?:[0-9a-f]{16}|\(_+ptrval_+\)),/, "loc ADDRESS,");
