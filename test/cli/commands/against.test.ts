// check --against: each pair is what `check -k` says of it, whether the kernel comes from the cache or not, in one process, in workers, or
// in parts.

import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whole } from "../../diag/render/html/page.ts";
import { klplink, klplinkProcess } from "../run.ts";

const kernels = [
  "test/fixtures/kernel/vmlinux-x86_64",
  "test/fixtures/kernel/vmlinux-x86_64-orphan",
  "test/fixtures/kernel/vmlinux-ppc64le",
  "test/fixtures/packages/debian/linux-binary-6.9.7-demo_6.9.7-1_amd64.deb",
  "test/fixtures/packages/fedora/kernel-core-6.9.7-demo.x86_64.rpm",
];
const modules = ["KLP414", "KLP415", "KLP442", "KLP505"].map((code) => `test/fixtures/diag/broken/${code}.ko`);
modules.push("test/fixtures/kernel/demo-mod.ko");
let folder: string;
let env: NodeJS.ProcessEnv;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "klplink-fleet-"));
  env = { XDG_CACHE_HOME: join(folder, "cache") };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ajv = new Ajv2020({ strict: false });
const schemaOf = (path: string): object => JSON.parse(readFileSync(path, "utf8")) as object;
ajv.addSchema({ ...schemaOf("docs/diagnostics.schema.json"), $id: "diagnostics.schema.json" });
const validate = ajv.compile({ ...schemaOf("docs/matrix.schema.json"), $id: "matrix.schema.json" });

interface Cell {
  readonly module: string;
  readonly kernel: string;
  readonly verdict: string;
  readonly first: string | null;
  readonly differs: readonly string[];
  readonly problems: readonly {
    readonly code: string;
    readonly title: string;
    readonly kernel: string | null;
    readonly first: boolean;
  }[];
}

const matrixArgs = (...more: string[]): string[] => ["check", ...modules, "--against", ...kernels, ...more];
const json = ["--format", "json"];

async function matrix(...more: string[]): Promise<{ status: number | null; text: string; cells: readonly Cell[] }> {
  const { status, stdout } = await klplink(matrixArgs(...json, ...more), { env });
  const document = JSON.parse(stdout);
  expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  return { status, text: stdout, cells: document.cells };
}

test("each pair is what check -k says, first and from the cache", { timeout: 120_000 }, async () => {
  const cold = await matrix();
  expect(cold.status).toBe(1);
  expect(cold.cells.length).toBe(kernels.length * modules.length);
  for (const { module, kernel, verdict, problems, first } of cold.cells) {
    if (verdict === "other-architecture") {
      expect(kernel).toContain("ppc64le");
      continue;
    }
    const alone = await klplink(["check", module, "-k", kernel, ...json], { env });
    expect(verdict, `${module} ${kernel}`).toBe(alone.status === 0 ? "taken" : "refused");
    const said = JSON.parse(alone.stdout).files[0].problems as Cell["problems"];
    const rows = (of: Cell["problems"]): string[] => of.map((p) => `${p.code} ${p.title} ${p.first}`).sort();
    expect(rows(problems), `${module} ${kernel}`).toEqual(rows(said));
    const refusal = problems.find((p) => p.first) as unknown as { kernel: string } | undefined;
    if (refusal !== undefined) expect(first).toBe(refusal.kernel.split("\n")[0]);
  }
  expect(cold.cells.filter((c) => c.verdict === "other-architecture").length).toBe(modules.length);
  const cellOf = (code: string): Cell | undefined => cold.cells.find((c) => c.module.includes(code));
  expect(cellOf("KLP414")?.differs).toContain("symbol missing");
  expect(cellOf("KLP415")?.differs).toContain("position");
  expect(cellOf("KLP442")?.differs).toContain("no patch site");
  expect(cellOf("KLP505")?.differs).toContain("checksum");
  expect((await matrix()).text).toBe(cold.text);
});

test("a function of which only a part is left was inlined, and its callers are what to patch", async () => {
  const listOf = (name: string, ...symbols: string[]): string => {
    const lines = ["_stext", "schedule", ...symbols].map((symbol, i) => `ffffffff8100${i}000 T ${symbol}\n`);
    writeFileSync(join(folder, name), lines.join(""));
    return join(folder, name);
  };
  const split = listOf("split.map", "show_val_kb.cold", "show_val_kb.part.0");
  const cloned = listOf("cloned.map", "show_val_kb.constprop.0");
  const args = ["check", modules[0] ?? "", "--against", split, cloned];
  const other = { XDG_CACHE_HOME: join(folder, "other") };
  const { stdout } = await klplink([...args, ...json], { env: other });
  const { cells } = JSON.parse(stdout) as { cells: readonly Cell[] };
  expect(cells.map((c) => [c.kernel, c.differs])).toEqual([
    [split, ["inlined", "form of the module"]],
    [cloned, ["symbol missing", "form of the module"]],
  ]);
  const { stderr } = await klplink(["check", modules[0] ?? "", "-k", split]);
  expect(stderr.replace(/\n +/g, " ")).toMatch(
    /why: +the compiler inlined its beginning into its callers, and only show_val_kb\.part\.0 is left: .* = help: +patch its callers/s,
  );
  expect((await klplink(["check", modules[0] ?? "", "-k", cloned])).stderr).toContain("`show_val_kb.constprop.0`?");
});

test("the headers of another architecture tell it by their configuration", async () => {
  const headersOf = (name: string, config: string): string => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "Module.symvers"), "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
    writeFileSync(join(folder, name, ".config"), config);
    return join(folder, name);
  };
  const headers = [
    headersOf("headers-arm64", "CONFIG_64BIT=y\nCONFIG_ARM64=y\n"),
    headersOf("headers-ppc64le", "CONFIG_PPC64=y\nCONFIG_CPU_LITTLE_ENDIAN=y\n"),
    headersOf("headers-x86_64", "CONFIG_64BIT=y\nCONFIG_X86_64=y\n"),
    headersOf("headers-unknown", "CONFIG_64BIT=y\nCONFIG_S390=y\n"),
    headersOf("headers-big-endian", "CONFIG_ARM64=y\nCONFIG_CPU_BIG_ENDIAN=y\n"),
  ];
  const other = { XDG_CACHE_HOME: join(folder, "other") };
  for (const _ of ["read", "kept"]) {
    const { stdout } = await klplink(["check", modules[0] ?? "", "--against", ...headers, ...json], { env: other });
    const { cells } = JSON.parse(stdout) as { cells: readonly Cell[] };
    const verdicts = ["other-architecture", "other-architecture", "refused", "refused", "refused"];
    expect(cells.map((c) => c.verdict)).toEqual(verdicts);
  }
  const { status, stderr } = await klplink(["check", modules[0] ?? "", "-k", headers[0] ?? ""]);
  expect([status, stderr]).toEqual([3, expect.stringContaining("error[KLP111]: the module is for x86_64, and")]);
});

describe("the cache", () => {
  const cache = (): string => join(folder, "cache/klplink/kernels");
  test("what is damaged is made again, and nothing is said of it", async () => {
    const { text } = await matrix();
    const files = readdirSync(cache()).map((name) => join(cache(), name));
    expect(files.filter((f) => f.endsWith(".index")).length).toBe(kernels.length);
    const before = new Map(files.map((f) => [f, readFileSync(f)]));
    for (const file of files) appendFileSync(file, "x");
    const [first = ""] = files;
    writeFileSync(first, "");
    expect((await matrix()).text).toBe(text);
    for (const [file, bytes] of before) expect(readFileSync(file).equals(bytes), file).toBe(true);
    expect(readdirSync(cache()).length).toBe(files.length);
  });
  test("an index of another kernel in its place is not trusted", async () => {
    const { text } = await matrix();
    const [a = "", b = ""] = readdirSync(cache()).filter((name) => name.endsWith(".index"));
    writeFileSync(join(cache(), a), readFileSync(join(cache(), b)));
    expect((await matrix()).text).toBe(text);
  });
  test("where it cannot be, all works without", async () => {
    const { text } = await matrix();
    const file = join(folder, "a-file");
    writeFileSync(file, "");
    const { stdout } = await klplink(matrixArgs(...json), { env: { XDG_CACHE_HOME: file } });
    expect(stdout).toBe(text);
  });
  test("what was not used for longest goes when all is more than KLPLINK_CACHE_BYTES", async () => {
    const own = join(folder, "small/klplink/kernels");
    const run = (kernel: string, bytes: string) =>
      klplink(["check", modules[0] ?? "", "--against", kernel, ...json], {
        env: { XDG_CACHE_HOME: join(folder, "small"), KLPLINK_CACHE_BYTES: bytes },
      });
    const kept = (): string[] => readdirSync(own).sort();
    const [a = "", b = "", c = ""] = kernels;
    const said = [await run(a, "100000"), await run(b, "100000")].map((r) => r.stdout);
    const two = kept();
    expect(two.length).toBe(2);
    const sizes = two.map((name) => statSync(join(own, name)).size);
    // The first one is used again, later than the second.
    utimesSync(join(own, two[0] ?? ""), 1000, 1000);
    utimesSync(join(own, two[1] ?? ""), 1000, 1000);
    expect((await run(a, "100000")).stdout).toBe(said[0]);
    const used = two.find((name) => statSync(join(own, name)).mtimeMs > 1_000_000);
    await run(c, String(Math.max(...sizes) * 2 + 100));
    expect(kept().length).toBe(2);
    expect(kept()).toContain(used);
    // Nothing is kept that is larger than all may be, and all is said as before.
    expect((await run(a, "10")).stdout).toBe(said[0]);
    expect((await run(b, "0")).stdout).toBe(said[1]);
    expect((await run(b, "many")).status).toBe(2);
  });
  test("a kernel that changes under its name is another kernel", async () => {
    const path = join(folder, "vmlinux");
    const run = async (from: string): Promise<string> => {
      writeFileSync(path, readFileSync(from));
      return (await klplink(["check", modules[0] ?? "", "--against", path, ...json], { env })).stdout;
    };
    const one = await run("test/fixtures/kernel/vmlinux-x86_64");
    const other = await run("test/fixtures/kernel/vmlinux-ppc64le");
    expect(JSON.parse(one).kernels[0].arch).toBe("x86_64");
    expect(JSON.parse(other).kernels[0].arch).toBe("ppc64le");
  });
});

test("workers say what one process says", { timeout: 120_000 }, async () => {
  const here = await matrix();
  const there = klplinkProcess(matrixArgs(...json), { env });
  expect(there.status).toBe(1);
  const version = /"klplink": ".*?"/;
  expect(there.stdout.replace(version, "")).toBe(here.text.replace(version, ""));
});

describe("parts of a run", () => {
  const part = async (index: number, of: number): Promise<string> => {
    const path = join(folder, `part-${index}-${of}.json`);
    writeFileSync(path, (await matrix("--shard", `${index}/${of}`)).text);
    return path;
  };
  test.each([1, 2, 3, 7])("%i parts, merged in any order, are the whole run", { timeout: 120_000 }, async (of) => {
    const paths: string[] = [];
    for (let index = 1; index <= of; index++) paths.unshift(await part(index, of));
    const whole = await matrix();
    const merged = await klplink(["merge", ...paths, ...json]);
    expect(merged.stdout).toBe(whole.text);
    expect(merged.status).toBe(whole.status);
  });
  test("what does not belong together is refused", async () => {
    const [one, two] = [await part(1, 3), await part(2, 3)];
    for (const [args, what] of [
      [[one, two], "part 3 of 3 was not given"],
      [[one, one, two], "part 1 of 3 was given twice"],
      [[one, await part(1, 2)], "is part 1 of 2"],
      [["README.md"], "it is not JSON"],
      [["package.json"], "it is not what"],
    ] as const) {
      const { status, stderr, stdout } = await klplink(["merge", ...args]);
      expect(status).toBe(3);
      expect(stdout).toBe("");
      expect(stderr).toContain("error[KLP850]");
      expect(stderr.replace(/\s+/g, " ")).toContain(what);
    }
  });
  test("--shard wants a part", async () => {
    for (const wrong of ["0/2", "3/2", "x", "1"])
      expect((await klplink([...matrixArgs(), "--shard", wrong])).status).toBe(2);
    expect((await klplink(["check", modules[0] ?? "", "--shard", "1/2"])).status).toBe(2);
  });
});

describe("the other forms", () => {
  /** A file whose name is markup, a comment, a query and a command at once. */
  const odd = (): string => {
    const path = join(folder, "<b>&'#?%0A,x:y ::error::.ko");
    writeFileSync(path, readFileSync(modules[0] ?? ""));
    return path;
  };

  test("text: no line is wider than a terminal, and the last lines say what all comes to", async () => {
    const { stdout, status } = await klplink(matrixArgs(), { env });
    expect(status).toBe(1);
    expect(stdout.split("\n").filter((line) => line.length > 80 && !/\.(?:deb|rpm)$|:$/.test(line))).toEqual([]);
    const text = stdout.replace(/\n +/g, " ");
    expect(text).toMatch(/kernel\/vmlinux-ppc64le +other architecture /);
    expect(text).toContain("KLP414.ko, kernels below test/fixtures/: ");
    expect(text).toContain(
      "5 kernels: 0 take it, 4 refuse it (symbol missing 4, form of the module 4), 1 of another architecture\n",
    );
    expect(text).toMatch(
      /\ntotal: 5 modules and 5 kernels, 25 pairs: \d+ taken, \d+ refused \(.*checksum 4.*\), 5 of another architecture\n/,
    );
    expect(text).toMatch(/\nnot checked: .* \(\d+ of 25 pairs\)/);
    expect((await klplink([...matrixArgs(), "-q"], { env })).stdout).toBe(stdout);
  });
  test("text of one module and one kernel says both by their names", async () => {
    const { stdout } = await klplink(["check", modules[0] ?? "", "--against", kernels[0] ?? ""], { env });
    const [head, name, verdict] = stdout.split("\n");
    expect(head).toBe(`${modules[0]}:`);
    expect(name).toBe(`  ${kernels[0]}`);
    expect(verdict).toBe("      refuses it: symbol missing, form of the module");
    expect(stdout).toContain("\n  1 kernel: 0 take it, 1 refuses it (symbol missing 1, form of the module 1)\n");
    expect(stdout).not.toContain("total:");
  });
  test("HTML has a row a kernel, a column a module, and nothing of a file's name that is markup", async () => {
    const { stdout } = await klplink(["check", odd(), "--against", kernels[0] ?? "", "--format", "html"], { env });
    expect(stdout).toContain("&lt;b&gt;&amp;&#39;#?");
    expect(stdout).not.toContain("<b>");
    expect(whole(stdout).text).toContain("1 refuses it");
    expect(stdout).toMatch(/<td class="bad">refuses it<br>/);
    const all = (await klplink(matrixArgs("--format", "html"), { env })).stdout;
    expect([...all.matchAll(/<tr><th scope="row">/g)].length).toBe(kernels.length);
    expect([...all.matchAll(/<td class="\w+">/g)].length).toBe(kernels.length * modules.length);
    const { text } = whole(all);
    for (const { problems } of (await matrix()).cells)
      for (const p of problems) for (const said of [p.title, p.kernel]) if (said !== null) expect(text).toContain(said);
  });
  test("SARIF keeps to the OASIS schema: a result for each problem of each pair", async () => {
    const run = matrixArgs("--format", "sarif");
    const log = JSON.parse((await klplink([run[0] ?? "", odd(), "a:b.ko", ...run.slice(1)], { env })).stdout);
    const validator = new Ajv2020({ strict: false, allErrors: true });
    formats.default(validator);
    const valid = validator.compile(schemaOf("test/fixtures/diag/sarif-2.1.0.schema.json"));
    expect(valid(log) ? [] : valid.errors).toEqual([]);
    const { results, tool } = log.runs[0];
    const problems = (await matrix()).cells.flatMap((c) => c.problems);
    expect(results.length).toBeGreaterThan(problems.length);
    expect(results[0].message.text).toContain(`${kernels[0]}: `);
    const prints = results.map((r: { partialFingerprints: Record<string, string> }) =>
      JSON.stringify(r.partialFingerprints),
    );
    expect(new Set(prints).size).toBe(results.length);
    const rules = tool.driver.rules.map((r: { id: string }) => r.id);
    for (const { ruleId } of results) expect(rules).toContain(ruleId);
    results[0].level = "fatal";
    expect(valid(log)).toBe(false);
  });
  test("GitHub's form: an error for each pair that is not good, a notice for each module", async () => {
    const run = matrixArgs("--format", "github");
    const { stdout } = await klplink([run[0] ?? "", odd(), ...run.slice(1)], { env });
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line).toMatch(/^::(?:error file=[^:,]*,title=[^:,]*|notice title=klplink)::/);
    const bad = (await matrix()).cells.filter((c) => c.verdict === "refused").length;
    expect(lines.filter((l) => l.startsWith("::error ")).length).toBe(bad + 4);
    expect(lines.filter((l) => l.startsWith("::notice ")).length).toBe(modules.length + 1);
    expect(stdout).toMatch(/^::error file=test\/fixtures\/diag\/broken\/KLP414\.ko,title=KLP414%3A .*refuses it::/m);
    expect(stdout).toContain("%250A%2Cx%3Ay %3A%3Aerror%3A%3A.ko");
  });
});

test("exit statuses: 0 all take all, 3 something cannot be read", async () => {
  const good = await klplink(["check", "test/fixtures/kernel/demo-mod.ko", "--against", kernels[2] ?? ""], { env });
  expect(good.status).toBe(0);
  const missing = await klplink(["check", modules[0] ?? "", "--against", kernels[0] ?? "", "9.9.9-none"], { env });
  expect(missing.status).toBe(3);
  expect(missing.stdout).toMatch(/9\.9\.9-none +cannot be read/);
  expect((await klplink(["check", "-", "--against", kernels[0] ?? ""], { env })).status).toBe(2);
  expect((await klplink(["check", "a.ko", "--against", "x", "-k", "y"], { env })).status).toBe(2);
});

test("a folder is the kernels in it", async () => {
  const boot = join(folder, "root/boot");
  mkdirSync(boot, { recursive: true });
  for (const name of ["vmlinuz-6.1.0-1-amd64", "vmlinuz-6.1.0-2-amd64"])
    writeFileSync(join(boot, name), readFileSync("test/fixtures/kernel/vmlinux-x86_64"));
  writeFileSync(join(boot, "initrd.img-6.1.0-1-amd64"), "x");
  const names = async (path: string): Promise<string[]> =>
    JSON.parse((await klplink(["check", modules[0] ?? "", "--against", path, ...json], { env })).stdout).kernels.map(
      (k: { name: string }) => k.name.replace(`${folder}/`, ""),
    );
  const both = ["root/boot/vmlinuz-6.1.0-1-amd64", "root/boot/vmlinuz-6.1.0-2-amd64"];
  expect(await names(boot)).toEqual(both);
  expect(await names(join(folder, "root"))).toEqual(both);
  mkdirSync(join(folder, "systems"));
  cpSync(join(folder, "root"), join(folder, "systems/one"), { recursive: true });
  expect(await names(join(folder, "systems"))).toEqual(both.map((path) => path.replace("root", "systems/one")));
  expect(await names("test/fixtures/packages/fedora")).toEqual([kernels[4]]);
});

test("check -k takes a large kernel from the same cache, and says the same without it, damaged or not", async () => {
  const own = join(folder, "single");
  const kernel = join(folder, "vmlinux-large");
  writeFileSync(kernel, Buffer.concat([readFileSync("test/fixtures/kernel/vmlinux-x86_64"), Buffer.alloc(1 << 20)]));
  const list = join(folder, "large.map");
  const lines = Array.from(
    { length: 40_000 },
    (_, i) => `ffffffff82${(i * 16).toString(16).padStart(6, "0")} T f${i}\n`,
  );
  writeFileSync(list, `ffffffff81000000 T _stext\nffffffff81000010 r __ksymtab_printk\n${lines.join("")}`);
  const kept = (): string[] => (existsSync(own) ? readdirSync(join(own, "klplink/kernels")) : []);
  const said = async (...more: string[]): Promise<string> => {
    const args = ["check", "test/fixtures/diag/broken/KLP414.ko", "-k", kernel, ...more, ...json];
    const { status, stdout, stderr } = await klplink(args, { env: { XDG_CACHE_HOME: own } });
    return `${status}\n${stdout}\n${stderr}`;
  };
  // As it is read where what was taken is told.
  const plain = await said("-v");
  expect(kept()).toEqual([]);
  expect(await said()).toBe(plain);
  expect(kept().length).toBe(1);
  const index = join(own, "klplink/kernels", kept()[0] ?? "");
  const bytes = readFileSync(index);
  expect(await said()).toBe(plain);
  writeFileSync(index, bytes.subarray(0, bytes.length - 8));
  expect(await said()).toBe(plain);
  expect(readFileSync(index).equals(bytes)).toBe(true);
  // With a module beside it.
  const module = ["-m", "test/fixtures/kernel/demo-mod.ko"];
  expect(await said(...module)).toBe(await said(...module, "-v"));
  // Lists are parsed: only with others are they kept.
  await klplink(["check", "test/fixtures/diag/broken/KLP414.ko", "-k", list], { env: { XDG_CACHE_HOME: own } });
  expect(kept().length).toBe(1);
});
