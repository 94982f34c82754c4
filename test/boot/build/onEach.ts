// What holds on each architecture: patches in force on a booted kernel, one after the other in one boot, and patches that are refused.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { beforeAll, expect, test } from "vitest";
import { readElf } from "../../../src/elf/reader.ts";
import { repo } from "../run.ts";
import { type Answers, complaints, type Planned } from "../scenario.ts";
import {
  BOOT_CODE,
  COUNT,
  DATA,
  FOR_KLP_BUILD,
  FOR_KPATCH,
  HEADER,
  headersOf,
  INLINED,
  ISLAND,
  MAKEFILE,
  MORE,
  NOTHING,
  NOTRACE,
  REMOVED,
  TWO,
  UNDECLARED,
  UNSAFE,
} from "./edits.ts";
import type { TargetKind } from "./targets.ts";
import { enter, leave, refusal, replaced, Workshop } from "./workshop.ts";

/** Milliseconds; a limit against hanging. */
export const LONG = 1_800_000;

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
const isReport = ajv.compile(JSON.parse(readFileSync(join(repo, "docs/diagnostics.schema.json"), "utf8")));
const BTF = [".BTF", ".BTF.base", ".BTF_ids"];
const btfOf = (path: string): string[] => {
  const { sections } = readElf(readFileSync(path));
  return BTF.filter((name) => sections.findByName(name) !== null);
};

const VERSION = "/proc/version";
const UPTIME = "/proc/uptime";
const STAT = "/proc/self/stat";
const MEMORY = "/proc/meminfo";
const OPEN_FILE = "/proc/self/fdinfo/0";
const says = (more: string): Planned => ({
  line: `read ${VERSION}`,
  output: (answers: Answers) => `${answers.get(VERSION) ?? "?"}${more}`,
});
const reads = (file: string, output: RegExp): Planned => ({ line: `read ${file}`, output });

/** @param above folder for what is made @returns the workshop, once the tests run */
export function onEach(kind: TargetKind, above: string): () => Workshop {
  let shop: Workshop;
  beforeAll(async () => {
    shop = await Workshop.open(kind, above);
  }, LONG);

  test("one file, a cumulative patch over it, two files, a header, a module", { timeout: LONG }, async () => {
    const { module } = shop.target;
    const one = shop.patch("one", COUNT);
    const made = [
      shop.livepatch("one", one),
      shop.livepatch("cumulative", one, shop.patch("more", MORE, COUNT)),
      shop.livepatch("two", shop.patch("two", TWO), shop.patch("island", ISLAND)),
      shop.livepatch("header", shop.patch("header", HEADER), "--no-replace"),
      shop.livepatch("module", shop.patch("module", module.edits), "--no-replace", ...module.about),
    ];
    const names = made.map(({ ran }) => ran.stdout.split("\n").filter((line) => line.startsWith("replaces  ")));
    const file = module.path.replace(/^.*\//, "");
    const [before, after] = module.answers;
    const plan: Planned[] = [
      { line: `read ${VERSION}` },
      reads(UPTIME, /^[\d. ]+\n$/),
      reads(OPEN_FILE, /^pos:.*\nino:.*\n$/s),
      reads(STAT, /^[^\n]*\n$/),
      ...enter("one"),
      says("patched 1\n"),
      says("patched 2\n"),
      ...enter("cumulative"),
      ...replaced("one"),
      // Its variable is its own: the livepatch that had it is gone.
      says("patched 1\nand more\n"),
      ...enter("two"),
      ...replaced("cumulative"),
      reads(UPTIME, /^[\d. ]+\ntwo files\n$/),
      reads(STAT, /^[^\n]*\nby an island\n$/),
      says(""),
      ...enter("header"),
      reads(OPEN_FILE, /^pos:.*\nino:.*\nfrom a header\n$/s),
      { line: `insmod /${file}` },
      reads(module.file, before),
      ...enter("module"),
      reads(module.file, after),
      ...leave("module"),
      reads(module.file, before),
      { line: `rmmod ${module.name}` },
      // The module comes when the livepatch is there.
      ...enter("module"),
      { line: `insmod /${file}` },
      reads(module.file, after),
      { line: `rmmod ${module.name}` },
      ...leave("module"),
      ...leave("header"),
      ...leave("two"),
      says(""),
      reads(UPTIME, /^[\d. ]+\n$/),
      reads(OPEN_FILE, /^pos:.*\nino:[^\n]*\n$/s),
    ];
    expect(await shop.life([...made.map((m) => m.file), module.path], plan)).toEqual([]);
    expect(names).toEqual([
      ["replaces  version_proc_show of vmlinux"],
      ["replaces  version_proc_show of vmlinux"],
      ["replaces  proc_tgid_stat of vmlinux", "replaces  uptime_proc_show of vmlinux"],
      [expect.stringMatching(/^replaces {2}seq_show(?:,\d+)? of vmlinux$/)],
      [expect.stringMatching(new RegExp(`^replaces  \\w+ of ${module.name}$`))],
    ]);
    for (const { file: path } of made) expect(btfOf(path)).toEqual([]);
  });

  test("written for kpatch or for klp-build, with their headers and macros, it is built and runs as it is", {
    timeout: LONG,
  }, async () => {
    const made = [
      shop.livepatch("kpatch", shop.patch("kpatch", FOR_KPATCH), "--no-replace"),
      shop.livepatch("helpers", shop.patch("helpers", FOR_KLP_BUILD), "--no-replace"),
    ];
    const SIZE = "syslog 10 0";
    const plan: Planned[] = [
      { line: `read ${VERSION}` },
      { line: SIZE, output: /^\d{5,}\n$/ },
      ...enter("kpatch"),
      says("callbacks 3\n"),
      ...enter("helpers"),
      { line: SIZE, output: /^4243\n$/ },
      ...leave("helpers"),
      { line: SIZE, output: /^\d{5,}\n$/ },
      ...leave("kpatch"),
      says(""),
    ];
    const booted = await shop.boot(
      made.map((m) => m.file),
      plan,
    );
    expect(complaints(booted, plan)).toEqual([]);
    const logged = booted.steps.flatMap((step) => step.log.map((line) => line.text));
    expect(logged.filter((text) => /for k/.test(text))).toEqual([
      expect.stringMatching(/for klp-build: 4253$/),
      expect.stringMatching(/for kpatch: 15$/),
    ]);
  });

  test("headers of the architecture and of user space, and a function that is inlined", { timeout: LONG }, async () => {
    const headers = shop.patch("headers", headersOf(kind.header));
    const only = ["version", "meminfo"].flatMap((name) => ["--only", `fs/proc/${name}.o`]);
    const { file, ran } = shop.livepatch("headers", headers, shop.patch("inlined", INLINED), "--keep", ...only);
    const plan: Planned[] = [
      { line: `read ${VERSION}` },
      reads(MEMORY, /^MemFree: +\d+ kB$/m),
      ...enter("headers"),
      says("arch, uapi\n"),
      reads(MEMORY, /^MemFree: +\d+ KB$/m),
      ...leave("headers"),
      says(""),
      reads(MEMORY, /^MemFree: +\d+ kB$/m),
    ];
    expect(await shop.life([file], plan)).toEqual([]);
    expect(ran.stdout.match(/^replaces .*$/gm)).toEqual([
      "replaces  meminfo_proc_show of vmlinux",
      "replaces  version_proc_show of vmlinux",
    ]);
    const [, pairs = "", made = ""] = /^kept: objects in (.*), the module's folder in (.*)$/m.exec(ran.stdout) ?? [];
    expect(existsSync(join(pairs, "patched/fs/proc/meminfo.o"))).toBe(true);
    expect(existsSync(join(made, "livepatch-headers.ko"))).toBe(true);
    // Its own text is as it was.
    expect(ran.stdout).toMatch(
      /^replaces {2}meminfo_proc_show of vmlinux\n {10}changed in show_val_kb, which it inlines: .*" kB\\n", then " KB\\n" \(fs\/proc\/meminfo\.c:\d+\)$/m,
    );
  });

  test("what no livepatch can carry is refused, and why", { timeout: LONG }, () => {
    expect(refusal(shop.build(shop.patch("boot", BOOT_CODE)))).toMatch(
      /^error\[KLP810\]: the patch changes init\/main\.c, which no livepatch can carry/,
    );
    expect(refusal(shop.build(shop.patch("make", MAKEFILE)))).toMatch(
      /^error\[KLP810\]: the patch changes fs\/proc\/Makefile, which/,
    );
    expect(refusal(shop.build(shop.patch("data", DATA)))).toMatch(/^error\[KLP701\].*stat_proc_ops/);
    expect(refusal(shop.build(shop.removal("removed", REMOVED)))).toMatch(
      /^error\[KLP810\]: the patch changes fs\/proc\/softirqs\.c, which no livepatch can carry/,
    );
    expect(refusal(shop.build(shop.patch("notrace", NOTRACE)))).toMatch(
      /^error\[KLP710\]: `klp_ftrace_handler` changed, but ftrace cannot patch it: /,
    );
    expect(refusal(shop.build(shop.patch("unsafe", UNSAFE)))).toMatch(
      /^error\[KLP826\]: the patch uses KPATCH_FORCE_UNSAFE\(version_proc_show\), which livepatch has nothing for/,
    );
    const wrong = shop.build(shop.patch("wrong", UNDECLARED));
    const patched = readFileSync(join(shop.folder, "wrong.work/b/fs/proc/version.c"), "latin1");
    const line = patched.slice(0, patched.indexOf("return missing")).split("\n").length;
    const error = `fs/proc/version\\.c:${line}:16: error: .missing. undeclared`;
    expect(refusal(wrong)).toMatch(new RegExp(`^error\\[KLP817\\]: compiles the patched source failed: ${error}`));
    // The compiler's words as they are, with the line of the patched file, and none of make's.
    const words = `In function .version_proc_show.:\n {12}${error} [^\n]*\n {12} +${line} \\| {9}return missing;\n {12} +\\| +\\^~+\n`;
    expect(wrong.stderr).toMatch(new RegExp(words));
    expect(wrong.stderr).not.toMatch(/make\[|\*\*\*/);
  });

  test("the report is a document of the form that is described", { timeout: LONG }, () => {
    const output = join(shop.folder, "livepatch-two.ko");
    const patches = [shop.patch("two", TWO), shop.patch("island", ISLAND)];
    const ran = shop.build(...patches, "--name", "two", "-o", output, "--format", "json");
    expect(ran, ran.stderr).toMatchObject({ status: 0 });
    const document = JSON.parse(ran.stdout);
    expect(isReport(document), JSON.stringify(isReport.errors)).toBe(true);
    expect(document.files.at(-1)).toMatchObject({
      output,
      files: ["fs/proc/uptime.c", "fs/proc/version.c", "fs/proc/array.c"],
      objects: ["fs/proc/array.o", "fs/proc/uptime.o", "fs/proc/version.o"],
      replaced: [
        { object: "vmlinux", name: "proc_tgid_stat", position: 0 },
        { object: "vmlinux", name: "uptime_proc_show", position: 0 },
      ],
      // Where calls restore a TOC, one is written without room for that: of a function that stays in the kernel.
      linked: { livepatchRelocations: expect.any(Number), returnIslands: kind.name === "ppc64le" ? 1 : 0 },
    });
    expect(document.files.at(-1).linked.livepatchRelocations).toBeGreaterThan(0);
  });

  test("a patch that changes nothing is said to be one", { timeout: LONG }, () => {
    expect(shop.build(shop.patch("nothing", NOTHING))).toMatchObject({
      status: 0,
      stdout: "no functional change: the patch applies, and the code stays the same\n",
    });
  });
  return () => shop;
}
