// Calls without a nop (modules/klp_nonop.c): refused as they are, with the words that klplink predicts; good after it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { labOf } from "./lab.ts";
import { nonopLife } from "./lives.ts";
import { wrongWayBack } from "./sabotage.ts";
import { bootWith, complaints, klplink, LOAD, stepOf } from "./scenario.ts";

const lab = labOf(import.meta.url);
const ENOENT = 2;
const ENOEXEC = 8;

/** The callees of klp_nonop_show, one entry a call. */
const calls = [
  "seq_printf",
  ...["seq_put_decimal_ull", "seq_put_decimal_ull"],
  "seq_put_hex_ll",
  ...["seq_puts", "seq_puts", "seq_puts", "seq_puts"],
  "version_proc_show",
];

const built = join(lab.modules, "klp_nonop.ko");
/** Livepatch symbols and relocations, but the calls as the compiler wrote them. */
const asIs = join(lab.folder, "klp_nonop.as-is.ko");
const linked = join(lab.folder, "klp_nonop.linked.ko");

const life = nonopLife;
const script = life.map((planned) => planned.line);

describe("calls without a nop", () => {
  let linkRun: ReturnType<typeof klplink>;
  let asIsRun: ReturnType<typeof klplink>;

  beforeAll(() => {
    linkRun = klplink(built, "-k", lab.systemMap, "-o", linked);
    asIsRun = klplink(built, "-k", lab.systemMap, "--toc-restore", "nop", "--force", "-o", asIs);
  });

  test("as the compiler made them: the kernel does not know the symbols", async () => {
    const result = await bootWith(lab, readFileSync(built), [LOAD]);
    const step = stepOf(result, LOAD);
    expect(step.result).toBe(ENOENT);
    const unknown = step.log.flatMap(
      (line) => /^klp_nonop: Unknown symbol (\S+) \(err -2\)$/.exec(line.text)?.[1] ?? [],
    );
    expect(unknown.sort()).toEqual(["seq_put_hex_ll", "version_proc_show"]);
  });

  test("with livepatch symbols only: refused in the predicted words", async () => {
    expect(asIsRun, asIsRun.stderr).toMatchObject({ status: 1 });
    const step = stepOf(await bootWith(lab, readFileSync(asIs), [LOAD]), LOAD);
    expect(step.result).toBe(ENOEXEC);
    const said = step.log.map((line) => line.text).filter((text) => text.startsWith("module_64: klp_nonop: "));
    expect(said).toHaveLength(1);

    const check = klplink("check", "--format", "json", asIs);
    expect(check, check.stderr).toMatchObject({ status: 1 });
    const problems = (JSON.parse(check.stdout) as { files: { problems: Problem[] }[] }).files.flatMap(
      (file) => file.problems,
    );
    const predicted = problems.filter((problem) => problem.first);
    expect(predicted).toHaveLength(1);
    expect(words(predicted[0]?.kernel)).toBe(words(said[0]));
    expect(words(said[0])).toMatch(/^module_64: klp_nonop: Expected nop after call, got [0-9a-f]{8}$/);
    // The other calls are followed by other words: naming any one of them would not have done.
    expect(problems.some((problem) => !problem.first && words(problem.kernel) !== words(said[0]))).toBe(true);
    // Every call without a nop is found, not only the one at which the kernel stopped.
    expect(
      problems
        .flatMap((problem) => problem.data.callee ?? [])
        .map(plain)
        .sort(),
    ).toEqual(calls);

    const text = klplink("check", asIs);
    expect(text.stdout + text.stderr).toContain(words(said[0]));
  });

  test("after klplink: loads, answers right, reads its data through r2, is disabled and removed", async () => {
    expect(linkRun, linkRun.stderr).toMatchObject({ status: 0 });
    expect(complaints(await bootWith(lab, readFileSync(linked), script), life)).toEqual([]);
  });

  test("an island with a wrong way back is caught", async () => {
    expect(linkRun, linkRun.stderr).toMatchObject({ status: 0 });
    const found = complaints(
      await bootWith(lab, wrongWayBack(linked, ".text.klp_nonop_show", "version_proc_show"), script),
      life,
    );
    expect(found[0]).toMatch(/^read \/proc\/cmdline: /); // it loads, and its first use goes wrong
  });
});

interface Problem {
  kernel: string | null;
  first: boolean;
  data: { callee?: string };
}

/** The message without the address at its end, which only the running kernel knows. */
const words = (message: string | null | undefined): string => (message ?? "").replace(/ at \S+.*$/, "");

/** "version_proc_show" of ".klp.sym.vmlinux.version_proc_show,1". */
const plain = (symbol: string): string => /^\.klp\.sym\.[^.]*\.(.*),\d+$/.exec(symbol)?.[1] ?? symbol;
