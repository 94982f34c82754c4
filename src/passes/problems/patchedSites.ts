// Whether the kernel finds a patch site for each function that a livepatch module replaces, and which one.

import { kernelOf, levelOf, type Problem, titleOf } from "../../diag/catalogue.ts";
import type { CodePlace } from "../../ftrace/codeFile.ts";
import { type FunctionSite, reasons } from "../../ftrace/sites.ts";
import type { PatchedFunction } from "../../klp/patch/tables.ts";
import { type Options, survey } from "../analysis.ts";
import { openModule } from "../open.ts";
import type { Sites } from "../sites.ts";

/**
 * `refused`: the kernel refuses the patch in the words of `kernel`. `no effect`: it accepts the patch and goes on running the
 * old function. `unclear`: that depends on how the kernel was built. `not known`: the file that would tell was not given.
 */
export type PatchVerdict = "patchable" | "refused" | "no effect" | "unclear" | "not known";

export interface PatchedSite {
  /** `vmlinux` or a module. */
  readonly object: string;
  readonly name: string;
  /** 0: the name must be unique. */
  readonly position: number;
  readonly verdict: PatchVerdict;
  readonly why: string | null;
  /** What the kernel will say; null if it says nothing. */
  readonly kernel: string | null;
  /** The function with its own site; null if it is not known. */
  readonly found: { readonly sites: Sites; readonly site: FunctionSite } | null;
}

/**
 * Each function of a livepatch module's tables.
 * @param objects code of `vmlinux` and of modules, by name, as far as it was given.
 * @returns null for a file that patches nothing.
 * @throws Unusable if the file cannot be read.
 */
export function patchedSites(
  bytes: Uint8Array,
  options: Options,
  objects: ReadonlyMap<string, Sites>,
): readonly PatchedSite[] | null {
  const analysis = survey(openModule(bytes, options.file), options);
  const { file, kernel, patches, problems } = analysis;
  const functions = patches.flatMap((p) => p.objects.flatMap((o) => o.functions));
  if (functions.length === 0) return null;

  const placeOf = ({ object, oldName, position }: PatchedFunction, code: Sites): CodePlace | null => {
    const index = Math.max(0, position - 1);
    if (object === "vmlinux") {
      const address = kernel?.find(oldName ?? "")[index]?.address;
      return address === undefined ? null : code.file.placeAt(address);
    }
    const symbol = kernel?.modules.get(object)?.find(oldName ?? "")[index];
    const section = symbol?.section == null ? null : code.file.sections.findByName(symbol.section);
    return symbol === undefined || section === null ? null : { section, offset: symbol.offset };
  };

  return functions.map((patched): PatchedSite => {
    const { object, position } = patched;
    const name = patched.oldName ?? "";
    const own = problems.filter((p) => isAt(p, file.sections.name(patched.at.section), patched.at.offset));
    const code = objects.get(object) ?? null;
    const place = code === null ? null : placeOf(patched, code);
    const site =
      code?.report.functions.find((s) => s.function.section === place?.section && s.function.start === place.offset) ??
      null;
    const found = code === null || site === null ? null : { sites: code, site };
    const base = { object, name, position, found, kernel: null };
    const refusal = own.find((p) => levelOf(p) === "error" && kernelOf(p) !== null);
    if (refusal !== undefined) {
      const reason = refusal.code === "KLP442" && site?.reason != null ? reasons[site.reason] : titleOf(refusal);
      return { ...base, verdict: "refused", why: reason, kernel: kernelOf(refusal) };
    }
    const orphan = own.find((p) => p.code === "KLP602" || p.code === "KLP603");
    if (orphan !== undefined)
      return { ...base, verdict: orphan.code === "KLP602" ? "no effect" : "unclear", why: titleOf(orphan) };
    if (code === null) {
      const give = object === "vmlinux" ? "give vmlinux (the ELF file) with -k" : `give ${object}.ko with -m`;
      return { ...base, verdict: "not known", why: give };
    }
    if (site === null) return { ...base, verdict: "not known", why: "no function of that name in the given file" };
    return { ...base, verdict: "patchable", why: null };
  });
}

const isAt = (p: Problem, section: string, offset: number): boolean =>
  p.at.section === section && p.at.offset === offset;
