// `klplink sites` of a livepatch module: one line a function that it patches.

import { hex, printable } from "../../base/bytes.ts";
import { defined } from "../../base/defined.ts";
import { fileText } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { forms } from "../../ftrace/forms.ts";
import { type PatchedSite, patchedSites } from "../../passes/problems/patchedSites.ts";
import { type Sites, sitesOf } from "../../passes/sites.ts";
import type { Context } from "../context.ts";
import { columns, type Input, UsageError, write, writePieces } from "../files/io.ts";
import { type CommonOptions, type KernelOptions, readKernel } from "../options.ts";

/** Returns the exit status: 1 if a function cannot be patched, or a patch would have no effect. */
export async function runPatched(
  input: Input,
  options: CommonOptions & KernelOptions,
  context: Context,
): Promise<number> {
  const objects = new Map<string, Sites>();
  const kernel = await readKernel(options, context, (object, file, name) => objects.set(object, sitesOf(file, name)));
  const found = patchedSites(
    input.bytes,
    {
      file: input.name,
      ...(kernel === null ? {} : { kernel }),
      ...defined({ kernelVersion: options.kernelVersion }),
    },
    objects,
  );
  if (found === null)
    throw new UsageError(`${fileText(input.name)} patches nothing: -k and -m are for livepatch modules`);
  if (options.format === "html") {
    const { renderPatched } = await import("../../diag/render/html/sites.ts");
    const patched = found.map((p) => ({ ...p, site: place(p) }));
    await writePieces(context.stdout, renderPatched(context.version, { file: input.name, patched }, summary(found)));
  } else await write(context.stdout, options.format === "json" ? json(found, input.name) : plain(found, input.name));
  return found.some((p) => p.verdict === "refused" || p.verdict === "no effect") ? 1 : 0;
}

function place({ found }: PatchedSite): string {
  if (found === null || found.site.entry === null) return "";
  const { file } = found.sites;
  const { section } = found.site.function;
  const { form, site } = found.site.entry;
  const where = file.isLinked
    ? file.addressOf(section, site).toString(16).padStart(16, "0")
    : `${printable(file.sections.name(section))}+${hex(site)}`;
  return `${where}  ${form}`;
}

function plain(found: readonly PatchedSite[], name: string): string {
  const rows = found.map((p) => [
    p.verdict === "not known" ? "?" : p.verdict,
    p.object,
    p.position === 0 ? printable(p.name) : `${printable(p.name)},${p.position}`,
    p.verdict === "patchable" ? place(p) : (p.why ?? ""),
  ]);
  const lines = columns([["verdict", "object", "function", "site"], ...rows]);
  const out = [lines[0] ?? ""];
  for (const [i, p] of found.entries()) {
    out.push(lines[i + 1] ?? "");
    if (p.kernel !== null) out.push(`    kernel: ${visible(p.kernel)}`);
  }
  out.push("", `${fileText(name)}: ${summary(found)}`);
  return `${out.join("\n")}\n`;
}

/** `3 patched functions: 2 patchable, 1 refused` */
function summary(found: readonly PatchedSite[]): string {
  const count = (verdict: string): number => found.filter((p) => p.verdict === verdict).length;
  const parts = ["patchable", "refused", "no effect", "unclear", "not known"]
    .filter((v) => count(v) > 0)
    .map((v) => `${count(v)} ${v}`);
  return `${found.length} patched function${found.length === 1 ? "" : "s"}: ${parts.join(", ")}`;
}

function json(found: readonly PatchedSite[], name: string): string {
  const document = {
    schema: "klplink-sites/1",
    file: name,
    patched: found.map((p) => {
      const entry = p.found?.site.entry ?? null;
      const section = p.found?.site.function.section ?? 0;
      const file = p.found?.sites.file ?? null;
      return {
        object: p.object,
        name: p.name,
        position: p.position,
        verdict: p.verdict,
        why: p.why,
        kernel: p.kernel,
        form: entry === null ? null : entry.form,
        usable: entry === null ? null : forms[entry.form].usable,
        site:
          entry === null || file === null
            ? null
            : {
                section: file.sections.name(section),
                offset: entry.site,
                address: file.isLinked ? hex(file.addressOf(section, entry.site)) : null,
              },
      };
    }),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
