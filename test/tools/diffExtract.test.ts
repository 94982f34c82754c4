import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { levelOf } from "../../src/diag/catalogue.ts";
import { check } from "../../src/passes/check.ts";
import { diffObjects, extractDiff } from "../../src/passes/diff/diff.ts";
import { link } from "../../src/passes/link.ts";
import { kernelWith } from "../diff/targetOf.ts";
import { compile, compilers, disassembly, workFolder } from "./compilers.ts";
import { makeSource, mutate } from "./kernelLikeC.ts";
import { meaningsOf, plainName, reading } from "./meaning.ts";

const SOURCES = Number(process.env.KLPLINK_SOURCES ?? 8);
const MUTATIONS = 5;
const folder = workFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LD = {
  x86_64: "x86_64-linux-gnu-ld",
  arm64: "aarch64-linux-gnu-ld",
  ppc64le: "powerpc64le-linux-gnu-ld",
} as const;
/** Names that the kernel of these tests exports. */
const EXPORTED = ["_printk", "ext_a"];
const NEEDED = ["ext_b", "ext_c", "ext_d", "key_a", "key_b", "panic_about", "__might_sleep", "lockdep_rcu_suspicious"];

/** Instructions without relocations, whose names are compared by what they mean. */
const code = (text: string | undefined): string[] =>
  (text ?? "")
    .split("\n")
    .filter((line) => !/\bR_[A-Z0-9]+_/.test(line))
    .map((line) => line.replace(/<[^>]*>/g, "").replace(/(\s)[0-9a-f]+(\s*)$/, "$1$2"));

describe.each(compilers)("what is taken, $name", (compiler) => {
  test("is the patched code, refers to what that does, and links without an error", { timeout: 900_000 }, async () => {
    let taken = 0;
    for (let seed = 101; seed <= 100 + SOURCES; seed++) {
      const { source } = makeSource(seed, compiler.machine);
      const orig = compile(compiler, folder, source);
      expect(orig).not.toBeNull();
      if (orig === null) return;
      const kernel = kernelWith(
        orig,
        EXPORTED,
        [],
        NEEDED.filter((n) => !Buffer.from(orig).includes(`\0${n}\0`)),
      );
      for (let m = 1; m <= MUTATIONS; m++) {
        const mutant = mutate(source, seed * 1000 + m);
        const patched = mutant === null ? null : compile(compiler, folder, mutant.source);
        if (mutant === null || patched === null) continue;
        const what = `seed ${seed}, ${mutant.what}`;
        const result = await diffObjects({ bytes: orig, path: "orig.o" }, { bytes: patched, path: "patched.o" });
        if (result.isEmpty || result.problems.some((p) => levelOf(p) === "error")) continue;
        const extract = extractDiff(result, { kernel, object: "vmlinux" });
        if (compiler.hasNoSites === true) {
          // gcc 12 puts the nops of ppc64le before the entry's own code; clang 14 knows no profiling call for it.
          const isPatched = result.diff.functions.some((c) => c.status === "changed");
          if (isPatched) expect(new Set(extract.problems.map((p) => p.code)), what).toEqual(new Set(["KLP710"]));
          taken++;
          continue;
        }
        expect(extract.problems, what).toEqual([]);
        if (extract.bytes === null) continue;
        taken++;
        // Through the linker, as kbuild does.
        writeFileSync(join(folder, "diff.o"), extract.bytes);
        execFileSync(LD[compiler.machine], ["-r", "-o", join(folder, "whole.o"), join(folder, "diff.o")]);
        const whole = new Uint8Array(readFileSync(join(folder, "whole.o")));
        const [before, after] = [
          disassembly(compiler.machine, folder, patched),
          disassembly(compiler.machine, folder, whole),
        ];
        const [mine, theirs] = [reading(whole), reading(patched)];
        const toEnd = (type: number): number => (compiler.machine === "x86_64" && (type === 2 || type === 4) ? 4 : 0);
        for (const item of extract.inclusion.items.keys()) {
          if (item.kind !== "function" || item.name === "") continue;
          expect(code(after.get(item.name)), `${what}: ${item.name}`).toEqual(code(before.get(item.name)));
          expect(meaningsOf(mine, item.name, toEnd), `${what}: ${item.name}`).toEqual(
            meaningsOf(theirs, item.name, toEnd),
          );
        }
        const linked = link(whole, { file: "whole.o", kernel });
        const errors = linked.problems.filter((p) => levelOf(p) === "error");
        expect(errors, what).toEqual([]);
        const checked = check(linked.output ?? new Uint8Array(0), { file: "whole.klp.o", kernel });
        expect(
          checked.problems.filter((p) => levelOf(p) === "error"),
          what,
        ).toEqual([]);
      }
    }
    expect(taken).toBeGreaterThan(SOURCES);
    expect(plainName(".klp.sym.rela.vmlinux.vmlinux.a.b,0")).toBe("a.b");
  });
});
