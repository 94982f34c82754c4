// One diff object in three forms: klplink's own, kpatch's, and that of `objtool klp diff`. The same livepatch comes of each. What the tools
// themselves make of the forms, and write in their place: test/tools/diffForms.test.ts.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { levelOf } from "../../../../src/diag/catalogue.ts";
import { DIFF_FORMS, type DiffForm } from "../../../../src/diff/emit/forms/form.ts";
import { readElf } from "../../../../src/elf/reader.ts";
import { diffObjects, extractDiff } from "../../../../src/passes/diff/diff.ts";
import { link } from "../../../../src/passes/link.ts";
import { load, root } from "../../../helpers.ts";
import { meaning } from "../../../klp/producers/originals.ts";
import { sectionNames } from "../../../klp/readBack.ts";
import { kernelWith } from "../../targetOf.ts";

const folder = "test/fixtures/diff/pairs";
const ARCHITECTURES = ["x86_64", "arm64", "ppc64le"];
const pairs = (arch: string): string[] =>
  readdirSync(join(root, folder)).flatMap((f) =>
    f.endsWith(`.${arch}.orig.o`) ? [f.slice(0, -".orig.o".length)] : [],
  );

async function taken(pair: string, form: DiffForm, object = "vmlinux"): Promise<Uint8Array | null> {
  const [orig, patched] = ["orig", "patched"].map((which) => load(`${folder}/${pair}.${which}.o`));
  if (orig === undefined || patched === undefined) throw new Error(pair);
  const result = await diffObjects({ bytes: orig, path: "orig.o" }, { bytes: patched, path: "patched.o" });
  if (result.isEmpty || result.problems.some((p) => levelOf(p) === "error")) return null;
  const { symbols } = readElf(patched);
  const outside = Array.from({ length: symbols?.count ?? 0 }, (_, i) => i)
    .filter((i) => symbols?.isUndefined(i))
    .map((i) => symbols?.name(i) ?? "")
    .filter((n) => n !== "" && n !== ".TOC.");
  return extractDiff(result, { kernel: kernelWith(orig, outside), object, form }).bytes;
}

/** The tables of functions are each form's own. */
const OWN = /^\.rela(?:\.kpatch\.(?:funcs|callbacks)|\.init\.klp_)/;

describe.each(ARCHITECTURES)("%s", (arch) => {
  test("the same livepatch symbols and relocations come of each form", async () => {
    let livepatchRelocations = 0;
    for (const pair of pairs(arch)) {
      const own = await taken(pair, "klplink");
      if (own === null) continue;
      const expected = meaning(link(own, { file: pair }).output ?? own);
      for (const form of ["kpatch", "objtool"] as const) {
        const bytes = await taken(pair, form);
        if (bytes === null) throw new Error(`${pair}: nothing in ${form}'s form`);
        const linked = link(bytes, { file: pair });
        // An object that needs no livepatch symbol has nothing of objtool's to be told by.
        const isTold = form === "kpatch" || sectionNames(bytes).some((n) => n.startsWith("__klp_relocs."));
        expect([pair, linked.producer]).toEqual([pair, isTold ? form : "plain"]);
        const found = meaning(linked.output ?? bytes);
        livepatchRelocations += found.klpRelocations.length;
        expect([pair, form, found.klpRelocations]).toEqual([pair, form, expected.klpRelocations]);
        const plain = (list: readonly string[]): string[] =>
          list.filter((r) => !OWN.test(r) && !/\.(?:return_sites|orc_unwind|call_sites|retpoline_sites)/.test(r));
        expect([pair, form, plain(found.relocations)]).toEqual([pair, form, plain(expected.relocations)]);
      }
    }
    expect(livepatchRelocations).toBeGreaterThan(30);
  });

  test("the same input gives the same bytes", async () => {
    for (const form of DIFF_FORMS) {
      const pair = `address-of-changed.${arch}`;
      expect(await taken(pair, form)).toEqual(await taken(pair, form));
    }
  });

  test("callbacks stand where each form has them", async () => {
    const pair = `callback-kpatch.${arch}`;
    const relocations = async (form: DiffForm): Promise<string[]> => {
      const bytes = await taken(pair, form);
      return bytes === null ? [] : [...meaning(bytes).relocations];
    };
    expect((await relocations("kpatch")).filter((r) => r.startsWith(".rela.kpatch.callbacks.pre_patch"))).toHaveLength(
      2,
    );
    expect((await relocations("objtool")).filter((r) => /^\.rela\.init\.klp_objects.*before/.test(r))).toHaveLength(1);
  });
});
