import { rmSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { diffObjects } from "../../src/passes/diff/diff.ts";
import { compile, compilers, disassembly, loadedContent, workFolder } from "./compilers.ts";
import { makeSource, mutate } from "./kernelLikeC.ts";

const SOURCES = Number(process.env.KLPLINK_SOURCES ?? 12);
const MUTATIONS = 12;
const folder = workFolder();
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The whole function of a part that gcc split off. */
const wholeName = (name: string): string => name.replace(/\.cold$|\.cold\.\d+$/, "");

/** Function names without what compilers number. */
const canonical = (name: string): string => wholeName(name).replace(/\.\d+/g, "");

// A wrong "same" loses a fix in silence. The truth is objdump's: each function whose disassembly differs must be named, and an
// object of which anything that is loaded differs must not be called the same.
describe.each(compilers)("mutations of one token, $name", (compiler) => {
  test("diff names every function whose disassembly differs", { timeout: 900_000 }, async () => {
    let differing = 0;
    let named = 0;
    for (let seed = 1; seed <= SOURCES; seed++) {
      const { source } = makeSource(seed, compiler.machine);
      const withLines = seed % 2 === 0 ? ["-g"] : [];
      const orig = compile(compiler, folder, source, withLines);
      expect(orig, `source ${seed} compiles`).not.toBeNull();
      if (orig === null) return;
      const before = disassembly(compiler.machine, folder, orig);
      const content = loadedContent(compiler.machine, folder, orig);
      for (let m = 1; m <= MUTATIONS; m++) {
        const mutant = mutate(source, seed * 1000 + m);
        const patched = mutant === null ? null : compile(compiler, folder, mutant.source, withLines);
        if (mutant === null || patched === null) continue;
        const what = `seed ${seed}, ${mutant.what}`;
        const { diff, isEmpty } = await diffObjects(
          { bytes: orig, path: "orig.o" },
          { bytes: patched, path: "patched.o" },
        );
        const changed = new Set(diff.functions.filter((c) => c.status !== "same").map((c) => canonical(c.name)));
        const after = disassembly(compiler.machine, folder, patched);
        for (const name of new Set([...before.keys(), ...after.keys()])) {
          // Code of table entries has the section for a name; whose it is, the second check tells.
          if (before.get(name) === after.get(name) || name.startsWith(".")) continue;
          differing++;
          expect(changed, `${what}: ${name} differs`).toContain(canonical(name));
          named++;
        }
        if (withLines.length === 0 && loadedContent(compiler.machine, folder, patched) !== content) {
          expect(isEmpty, `${what}: something that is loaded differs`).toBe(false);
        }
      }
    }
    // The check has something to find.
    expect(differing).toBeGreaterThan(SOURCES * 4);
    expect(named).toBe(differing);
  });
});

describe.each(compilers)("what says nothing, $name", (compiler) => {
  test.each(["with", "without"])(
    "comments, blank lines and the order of functions change nothing, %s debug information",
    { timeout: 900_000 },
    async (how) => {
      for (let seed = 1; seed <= SOURCES; seed++) {
        const { source } = makeSource(seed, compiler.machine);
        const flags = how === "with" ? ["-g"] : [];
        const orig = compile(compiler, folder, source, flags);
        const commented = compile(compiler, folder, source.replace(/;\n/g, "; /* said */\n"), flags);
        expect(orig).not.toBeNull();
        if (orig === null || commented === null) return;
        const others = [orig, commented];
        const moved =
          how === "with"
            ? compile(compiler, folder, source.replace("/* functions */\n", "\n\n\n/* functions */\n\n"), flags)
            : null;
        if (moved !== null) others.push(moved);
        for (const patched of others) {
          const { isEmpty, diff, problems } = await diffObjects(
            { bytes: orig, path: "orig.o" },
            { bytes: patched, path: "patched.o" },
          );
          const named = [...diff.functions, ...diff.data]
            .filter((c) => c.status !== "same")
            .map((c) => `${c.name}: ${c.difference?.detail}`);
          expect({ seed, named, loose: diff.loose, problems }).toEqual({ seed, named: [], loose: [], problems: [] });
          expect(isEmpty).toBe(true);
        }
      }
    },
  );
});
