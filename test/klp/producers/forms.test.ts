// One livepatch in three forms, klplink's own, kpatch's and objtool's: the same finished module comes of each, and it is what kpatch's
// create-klp-module and the kernel's `objtool klp post-link` make of theirs (test/golden/originals, same-*.o).

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { check } from "../../../src/passes/check.ts";
import { link } from "../../../src/passes/link.ts";
import { load, root } from "../../helpers.ts";
import { sectionNames } from "../readBack.ts";
import { asKpatch, asObjtool } from "./forms.ts";
import { meaning } from "./originals.ts";

const forms = [
  { form: "kpatch", write: asKpatch },
  { form: "objtool", write: asObjtool },
] as const;

describe.each(["x86_64", "ppc64le", "arm64"])("%s", (arch) => {
  const own = load(`test/fixtures/klplink/diff-${arch}.o`);
  const finished = (bytes: Uint8Array): Uint8Array => {
    const { output, problems } = link(bytes, { file: "x.o" });
    expect(problems).toEqual([]);
    return output ?? new Uint8Array(0);
  };
  const expected = finished(own);

  test.runIf(process.env.KLPLINK_UPDATE_FORMS === "1").each(forms)(
    "is written for $form's own tool to read",
    ({ form, write }) => {
      writeFileSync(join(root, `test/fixtures/klplink/same-${form}-${arch}.o`), write(own));
    },
  );

  test.each(forms)("in $form's form: told by its content, and finished the same", ({ form, write }) => {
    const bytes = write(own);
    expect(link(bytes, { file: "x.o" }).producer).toBe(form);
    const output = finished(bytes);
    expect(meaning(output).klpRelocations.length).toBeGreaterThan(6);
    expect(meaning(output)).toEqual(meaning(expected));
    expect(link(output, { file: "x.o" }).changed).toBe(false);
    expect(check(output, { file: "x.o" }).problems).toEqual([]);
    // Sections that are loaded, apart from kpatch's strings, which its own code reads.
    const loaded = (of: Uint8Array) =>
      sectionNames(of).filter((n) => n !== "" && !/^\.rela\.kpatch|^\.kpatch\.strings$/.test(n));
    expect(loaded(output).sort()).toEqual(loaded(expected).sort());
  });

  test.each(forms)("what $form's own tool makes of it means the same", ({ form, write }) => {
    const path = `test/fixtures/klplink/same-${form}-${arch}.o`;
    const bytes = write(own);
    expect(existsSync(join(root, path)) && readFileSync(join(root, path)).equals(bytes), "KLPLINK_UPDATE_FORMS=1").toBe(
      true,
    );
    expect(meaning(load(`test/golden/originals/same-${form}-${arch}.o`))).toEqual(meaning(expected));
  });
});
