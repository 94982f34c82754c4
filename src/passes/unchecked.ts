// What a check could not look at, for want of a file: said beside "no error found".

import { printable } from "../base/bytes.ts";
import { append } from "../base/lists.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { isFinishedModule } from "../kernel/module/formRules.ts";
import type { ModuleFile } from "../kernel/module/moduleFile.ts";
import { parseKlpSymbol } from "../klp/symbols/names.ts";
import type { Analysis } from "./analysis.ts";

/**
 * Short phrases, each with the option that would let klplink look; empty if nothing was left out.
 * @param reference a module built for the target kernel, as given with --reference
 * @param path name of the module's file
 */
export function uncheckedParts(analysis: Analysis, reference: ModuleFile | null, path: string): string[] {
  const { kernel, symbols, patches } = analysis;
  const undefineds: string[] = [];
  const objects = new Set(patches.flatMap((p) => p.objects.map((o) => o.name)));
  for (let i = 1; i < symbols.count; i++) {
    if (!symbols.isUndefined(i) || symbols.name(i) === "") continue;
    undefineds.push(symbols.name(i));
    const parsed = parseKlpSymbol(symbols.name(i));
    if (parsed !== null) objects.add(parsed.object);
  }
  const parts = undefineds.length > 0 ? uncheckedSymbols(analysis, undefineds) : [];
  append(parts, uncheckedHeader(analysis, reference, path));
  if (kernel !== null && !kernel.hasSymbols && objects.has("vmlinux"))
    parts.push("functions and livepatch symbols of vmlinux (-k vmlinux)");
  for (const object of kernel === null ? [] : [...objects].sort()) {
    if (object === "vmlinux" || kernel?.modules.has(object)) continue;
    const shown = printable(object);
    parts.push(`functions and livepatch symbols of ${shown} (-m ${shown}.ko)`);
  }
  return parts;
}

/** What the files at hand leave open of the symbols that the module takes from elsewhere. */
function uncheckedSymbols({ kernel, file }: Analysis, names: readonly string[]): string[] {
  if (kernel === null) return ["the kernel's symbols (-k)"];
  if (!kernel.hasSymbols && !kernel.hasExports) return ["the kernel's symbols (-k)"];
  const parts: string[] = [];
  // A list of exports does not tell an unexported symbol from a name that is wrong.
  if (!kernel.hasSymbols) parts.push("whether the kernel has what it does not export (-k vmlinux, -k System.map)");
  const open = openProperties(kernel, names, file.sections.findByName("__versions") !== null);
  if (open.length > 0) parts.push(`${open.join(", ")} of exports (-k Module.symvers)`);
  return parts;
}

/** What is not known of the exports that the module uses: System.map has names only. */
function openProperties(kernel: Kernel, names: readonly string[], hasVersions: boolean): string[] {
  const used = names.flatMap((name) => kernel.exportOf(name) ?? []);
  const layout = kernel.exportOf("module_layout");
  return [
    ...(hasVersions && used.length > 0 && [...used, ...(layout === null ? [] : [layout])].every((e) => e.crc === null)
      ? ["checksums"]
      : []),
    ...(used.some((e) => e.gplOnly === null || e.namespace === null) ? ["licences and namespaces"] : []),
  ];
}

/** vermagic and struct module, which a module that is not linked yet has not. */
function uncheckedHeader({ kernel, modInfo, file }: Analysis, reference: ModuleFile | null, path: string): string[] {
  const parts: string[] = [];
  const isTold =
    (kernel !== null && (kernel.vermagic !== null || kernel.release !== null)) ||
    (reference?.modInfo?.get("vermagic") ?? null) !== null;
  if (modInfo !== null && modInfo.get("vermagic") !== null && !isTold) parts.push("vermagic (-k vmlinux, --reference)");
  if (isFinishedModule(file, path) && (reference?.thisModule ?? kernel?.structModule ?? null) === null)
    parts.push("struct module (--reference)");
  return parts;
}
