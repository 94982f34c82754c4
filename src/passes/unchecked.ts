// What a check could not look at, for want of a file: said beside "no error found".

import { printable } from "../base/bytes.ts";
import { parseKlpSymbol } from "../klp/symbols/names.ts";
import type { Analysis } from "./analysis.ts";

/** Short phrases, each with the option that would let klplink look; empty if nothing was left out. */
export function uncheckedParts(analysis: Analysis): string[] {
  const { kernel, symbols, modInfo, patches } = analysis;
  let isLinked = false;
  const objects = new Set(patches.flatMap((p) => p.objects.map((o) => o.name)));
  for (let i = 1; i < symbols.count; i++) {
    if (!symbols.isUndefined(i) || symbols.name(i) === "") continue;
    isLinked = true;
    const parsed = parseKlpSymbol(symbols.name(i));
    if (parsed !== null) objects.add(parsed.object);
  }
  if (kernel === null) return isLinked ? ["the kernel's symbols (-k)"] : [];
  const parts: string[] = [];
  if (!kernel.hasSymbols && objects.has("vmlinux"))
    parts.push("functions and livepatch symbols of vmlinux (-k vmlinux)");
  for (const object of [...objects].sort()) {
    if (object === "vmlinux" || kernel.modules.has(object)) continue;
    const shown = printable(object);
    parts.push(`functions and livepatch symbols of ${shown} (-m ${shown}.ko)`);
  }
  const tellsVersion = kernel.vermagic !== null || kernel.release !== null;
  if (modInfo !== null && modInfo.get("vermagic") !== null && !tellsVersion) parts.push("vermagic (-k vmlinux)");
  return parts;
}
