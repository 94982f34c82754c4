// Each message of the loader about relocations, stubs and symbols is provoked by a spoiled module (test/boot/spoiled.ts) or
// stands in a list with the reason why not. That klplink's words for the modules are the kernel's is shown by
// test/boot/image.test.ts and distro.test.ts. UPDATE_MESSAGES=1 writes docs/loader-messages.md.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { firstRefusal, kernelOf } from "../../../src/diag/catalogue.ts";
import { recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { addressesOf } from "../../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { parseKernelVersion } from "../../../src/kernel/version.ts";
import { spoil } from "../../boot/spoiled.ts";
import { forms, notProvoked } from "../../boot/told.ts";
import { root } from "../../helpers.ts";
import { goldenCaptures } from "./captured.ts";
import { imageOf } from "./compare.ts";

/** Which spoiled modules the kernel tests load, and into which kernels. */
const loads = [
  ["ppc64le", "ppc64le-varied", ["6.1"]],
  ["ppc64le distribution", "ppc64le-varied", ["6.12", "7.2"]],
  ["ppc64le-pcrel", "ppc64le-pcrel-varied", ["7.2"]],
  ["arm64", "arm64-own", ["6.12", "7.2"]],
  ["x86_64", "x86_64-own", ["6.1", "6.12", "7.2"]],
  ["livepatch", "ppc64le-late", ["6.1"]],
  ["livepatch", "x86_64-late", ["6.1"]],
  ["livepatch", "arm64-late", ["7.2"]],
] as const;

const goldens = new Map(goldenCaptures().map((g) => [g.name, g]));
/** Form -> code, and what provokes it. */
const provoked = new Map<string, { codes: Set<string>; by: Set<string> }>();
const strange: string[] = [];
for (const [list, name, kernels] of loads) {
  const golden = goldens.get(name);
  if (golden === undefined) throw new Error(`${name} is missing`);
  // Names that the spoiled livepatches need: one that several functions of vmlinux have.
  const text = `${golden.kallsyms}\n${"ffffffff81000010 t type_show\n".repeat(2)}`;
  const kernel = addressesOf(parseSymbols(Buffer.from(text), "kallsyms"));
  for (const version of kernels) {
    const kernelVersion = parseKernelVersion(version);
    if (kernelVersion === null) throw new Error(version);
    for (const { what, bytes } of spoil(list, golden.module).values()) {
      const late = list === "livepatch" ? ["late_target"] : [];
      // Where klplink puts the sections: a spoiled module may need other places.
      const placement = { bases: new Map(), sections: new Map(), percpu: null };
      const more = { kernelVersion, placement, stage: "loaded", late } as const;
      const { problems } = imageOf(bytes, golden.captured, kernel, more);
      const first = firstRefusal(problems);
      for (const line of ((first && kernelOf(first)) ?? "").split("\n")) {
        const form = recogniseLine(line)?.form;
        if (form === undefined || first === null) {
          strange.push(`${list} ${version}, ${what}: ${line}`);
          continue;
        }
        const arch = list.replace(" distribution", "");
        const row = provoked.get(form) ?? { codes: new Set(), by: new Set() };
        row.codes.add(first.code);
        row.by.add(`${arch}: ${what}`);
        provoked.set(form, row);
      }
    }
  }
}

test("klplink has words for each spoiled module, and they are a message's", () => {
  expect(strange).toEqual([]);
});

test("each message is provoked, or has a reason why not", () => {
  const told = forms.map(({ form }) => form);
  expect(told.filter((form) => !provoked.has(form) && notProvoked[form] === undefined)).toEqual([]);
  expect(Object.keys(notProvoked).filter((form) => provoked.has(form) || !told.includes(form))).toEqual([]);
  expect([...provoked.keys()].filter((form) => !told.includes(form))).toEqual([]);
});

test("docs/loader-messages.md lists them", () => {
  const path = join(root, "docs/loader-messages.md");
  const cell = (text: string): string => text.replaceAll("|", "\\|");
  const code = (form: string): string => (form.includes("`") ? `\`\` ${form} \`\`` : `\`${form}\``);
  const rows = forms.filter(({ form }) => provoked.has(form));
  const text = [
    "# Messages of the loader, and what provokes them",
    "Kept current by `test/passes/image/messages.test.ts`; do not edit. `klplink image` and `check` foretell these lines of dmesg. For each there is a module with one fault (`test/boot/spoiled.ts`) that is loaded into real kernels by `npm run test:boot`, where what the kernel prints is compared with what klplink said.",
    [
      "| Message | Architecture | Code | Provoked by |",
      "|---|---|---|---|",
      ...rows.map(({ form, arch }) => {
        const { codes, by } = provoked.get(form) ?? { codes: new Set(), by: new Set() };
        const cells = [code(form), arch, [...codes].sort().join(", "), [...by].join("; ")];
        return `| ${cells.map(cell).join(" | ")} |`;
      }),
    ].join("\n"),
    "## Not provoked",
    [
      "| Message | Why not |",
      "|---|---|",
      ...Object.entries(notProvoked).map(([form, why]) => `| ${code(form)} | ${cell(why)} |`),
    ].join("\n"),
    "",
  ].join("\n\n");
  if (process.env.UPDATE_MESSAGES === "1") writeFileSync(path, text);
  expect(readFileSync(path, "utf8")).toBe(text);
});
