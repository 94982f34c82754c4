// What the page shows, without a browser: held to what the command line says of the same files. The page itself: test/tools/page.test.ts.

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { openDisassembler } from "../../src/diag/render/disassemble.ts";
import { html } from "../../src/diag/render/html/markup.ts";
import { sessionOf } from "../../src/web/session.ts";
import { klplink } from "../cli/run.ts";
import { whole } from "../diag/render/html/page.ts";
import { root } from "../helpers.ts";

const given = (path: string) => ({ name: basename(path), bytes: new Uint8Array(readFileSync(join(root, path))) });
const MODULE = "samples/ppc64le/meminfo/meminfo.o";
const MAP = "samples/ppc64le/meminfo/System.map";

async function shown(paths: readonly string[], log = "") {
  const { body, linked } = await sessionOf(paths.map(given), log, openDisassembler);
  const page = html`<!doctype html><html><head><title>t</title></head><body>${body}</body></html>`;
  return { linked, ...whole(page.text) };
}

test("a module and its kernel: what check says, and the bytes that link writes", async () => {
  const { text, linked } = await shown([MODULE, MAP]);
  const document = JSON.parse((await klplink(["check", MODULE, "-k", MAP, "--format", "json"])).stdout);
  const problems = document.files[0].problems as { code: string; title: string; kernel: string | null }[];
  expect(problems.length).toBeGreaterThan(3);
  for (const p of problems) {
    expect(text).toContain(`${p.code}: ${p.title.replaceAll("samples/ppc64le/meminfo/", "")}`);
    if (p.kernel !== null) expect(text).toContain(p.kernel);
  }
  // The command is the one that does it in a shell, where the files lie.
  expect(text).toContain("klplink meminfo.o -k System.map");
  const { stdoutBytes } = await klplink([MODULE, "-k", MAP, "-o", "-"]);
  expect(linked.map((l) => l.name)).toEqual(["meminfo.klp.o"]);
  expect(Buffer.from(linked[0]?.bytes ?? []).equals(Buffer.from(stdoutBytes))).toBe(true);
});

test("several modules know of each other, packed ones as well; what is good is not linked", async () => {
  const patch = "test/fixtures/klp/patch-x86_64.ko.xz";
  const others = ["test/fixtures/kernel/vmlinux-x86_64", "test/fixtures/kernel/demo-mod.ko"];
  const { linked } = await shown([patch, ...others]);
  const args = [patch, "-k", others[0] ?? "", "-m", others[1] ?? "", "-o", "-"];
  const { stdoutBytes } = await klplink(args);
  const found = linked.find((l) => l.name === "patch-x86_64.klp.ko");
  expect(Buffer.from(found?.bytes ?? []).equals(Buffer.from(stdoutBytes))).toBe(true);
  expect((await shown(["samples/ppc64le/meminfo/meminfo.klp.o"])).linked).toEqual([]);
});

test("lines of a log are explained, with the place in the module that they name", async () => {
  const line = "module_64: meminfo: Expected nop after call, got 3c820000 at 0";
  const { text } = await shown([MODULE, MAP], `[   12.3] ${line}\nsomething else\n`);
  expect(text).toContain(line);
  expect(text).toContain("certain: the only one that fits");
  const alone = await shown([], line);
  expect(alone.text).toContain("KLP301");
  expect((await shown([], "no line of a kernel")).text).toContain("None of these lines");
});

test("files that are of no use are named, with why; the others are looked at", async () => {
  const { text, linked } = await shown(["README.md", MODULE, "test/fixtures/diag/truncated.o", MAP]);
  expect(text).toMatch(/README\.md: not a module/);
  expect(text).toContain("KLP102");
  expect(linked).toHaveLength(1);
  expect((await shown([MAP])).text).toContain("No module was given");
  expect((await shown([])).text).toBe("t");
});

test("two kernels at a time are refused, as on the command line", async () => {
  const { text, linked } = await shown([MODULE, MAP, "samples/ppc64le/sibling/System.map"]);
  // Both have one name here: the page keeps one file of a name, sessionOf is given both.
  expect(text).toContain("System.map: a list of the kernel's symbols, as System.map is: one kernel at a time");
  expect(linked).toHaveLength(1);
  const args = ["check", MODULE, "-k", MAP, "-k", "samples/ppc64le/sibling/System.map"];
  expect((await klplink(args)).stderr).toContain("-k gives a symbol list twice");
});

test("a kernel of another architecture: the check says so, and the log is explained all the same", async () => {
  const line = "module_64: meminfo: Expected nop after call, got 3c820000 at 0";
  const { text } = await shown([MODULE, "test/fixtures/kernel/vmlinux-x86_64"], line);
  expect(text).toContain("KLP111");
  expect(text).toContain("A call leaves the module through a stub");
  expect(text).not.toContain("certain:");
});
