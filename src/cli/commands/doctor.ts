// `klplink doctor`: what this machine offers, and what is missing for which command.

import { release } from "node:os";
import { visible } from "../../base/visible.ts";
import type { Context } from "../context.ts";
import { type Can, commandsHere } from "../doctor/commands.ts";
import { type KernelHere, kernelsHere } from "../doctor/kernels.ts";
import { type Installer, installerOf, type Requirement } from "../doctor/needs.ts";
import { cacheHere, nodeHere, terminalHere } from "../doctor/surroundings.ts";
import { columns, write } from "../files/io.ts";
import type { doctorRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";

/** Returns the exit status: 0, whatever is missing. */
export async function runDoctor(options: ValuesOf<typeof doctorRows>, context: Context): Promise<number> {
  const { root } = options;
  const surroundings = {
    klplink: context.version,
    program: nodeHere(),
    terminal: terminalHere(context),
    cache: cacheHere(context.env),
  };
  const kernels = kernelsHere(root);
  const commands = commandsHere(root, context.env);
  const installer = installerOf(root);
  if (options.format === "json") {
    const document = { schema: "klplink-doctor/1", ...surroundings, release: release(), kernels, commands };
    await write(context.stdout, `${JSON.stringify(document, null, 2)}\n`);
    return 0;
  }
  const { program, terminal, cache } = surroundings;
  const text = [
    ...columns([
      ["klplink", `${context.version}, ${program}`],
      ["terminal", terminal],
      ["cache", cache.writable ? cache.folder : `${cache.folder}: cannot be written to (set KLPLINK_CACHE)`],
    ]),
    "",
    "Kernels",
    ...kernelLines(kernels),
    "",
    "Commands",
    ...columns(commands.map((can) => [`  ${can.command}`, answerOf(can, installer)])),
  ];
  await write(context.stdout, text.map((line) => `${line}\n`).join(""));
  return 0;
}

function kernelLines(kernels: readonly KernelHere[]): string[] {
  if (kernels.length === 0)
    return ["  none: give the files of another machine's kernel with -k, or unpack its packages (-k FILE.deb)"];
  return columns(
    kernels.map(({ name, files, forbidden, modules, runs }) => {
      const parts = [...files, ...(modules ? ["modules"] : [])];
      const text = [
        parts.length === 0 ? "nothing of it can be read" : parts.join(", "),
        ...(runs ? ["it runs"] : []),
        ...(forbidden.length === 0 ? [] : [`not readable for you: ${forbidden.join(", ")}`]),
      ];
      return [`  ${name}`, text.join("; ")];
    }),
  );
}

function answerOf({ missing, note }: Can, installer: Installer | null): string {
  if (missing.length === 0) return note ?? "ready";
  const names = missing.map((need: Requirement) => need.what).join(", ");
  const packages =
    installer === null ? [] : [...new Set(missing.flatMap((need) => need.packages[installer.kind] ?? []))];
  const way = packages.length === 0 ? "" : ` (\`${installer?.command} ${packages.join(" ")}\`)`;
  return visible(`missing: ${names}${way}`);
}
