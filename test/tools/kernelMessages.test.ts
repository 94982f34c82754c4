// `klplink explain` against the format strings of real kernel sources: each line that the module loader, the relocation
// code, the livepatch core or ftrace can print is recognised, as a message of the part that prints it. The sources are
// those of Debian's packages linux-source-6.1 and -7.2, from which the boot tests' kernels are built, and of the unpacked folders that
// KLPLINK_KERNEL_SOURCES names (separated by colons; 6.12 was checked so).

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { recogniseLine } from "../../src/diag/messages/recognise.ts";
import { mustRun } from "../boot/run.ts";
import { type Format, filledIn, formatsOf } from "./kernelFormats.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-source-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Folders of a source, and which of their files print about modules. */
const PLACES: readonly (readonly [string, RegExp])[] = [
  ["kernel/module", /\.c$/],
  ["kernel/livepatch", /\.c$/],
  ["kernel/trace", /^ftrace\.c$/],
  ["arch/powerpc/kernel", /^module.*\.c$/],
  ["arch/powerpc/kernel/trace", /^ftrace.*\.c$/],
  ["arch/arm64/kernel", /^(?:module|ftrace).*\.c$/],
  ["arch/x86/kernel", /^(?:module|ftrace).*\.c$/],
  ["arch/s390/kernel", /^(?:module|ftrace).*\.c$/],
];

/** What is left out, and why: 32-bit powerpc is not an architecture of livepatch, and klplink reads no such module. */
const LEFT_OUT = /^arch\/powerpc\/kernel\/module_32\.c$/;

function unpacked(archive: string): string {
  const folders = ["kernel/module", "kernel/livepatch", "kernel/trace/ftrace.c"];
  const arches = ["powerpc", "arm64", "x86", "s390"].flatMap((a) => [
    `arch/${a}/kernel/module*`,
    `arch/${a}/kernel/*ftrace*`,
  ]);
  const { status, stderr } = spawnSync(
    "tar",
    [
      "-xJf",
      archive,
      "-C",
      folder,
      "--wildcards",
      ...[...folders, ...arches, "arch/powerpc/kernel/trace/*"].map((p) => `*/${p}`),
    ],
    { encoding: "utf8" },
  );
  // A pattern that an earlier one covers is "not found".
  if (status !== 0 && !/Not found in archive/.test(stderr)) throw new Error(stderr);
  return join(folder, (archive.split("/").at(-1) ?? "").replace(/\.tar\.xz$/, ""));
}

const archives = ["linux-source-6.1", "linux-source-7.2"].flatMap((name) => {
  const source = join(mustRun("bash", ["test/boot/fetch-package.sh", "amd64", name]).trim(), "usr/src");
  return readdirSync(source)
    .filter((file) => /^linux-source-[\d.]+\.tar\.xz$/.test(file))
    .map((file) => join(source, file));
});
if (archives.length < 2) throw new Error("two kernel sources were expected");
const named = (process.env.KLPLINK_KERNEL_SOURCES ?? "").split(":").filter((path) => path !== "");
const sources = [...archives.map(unpacked), ...named];

function formatsIn(source: string): Format[] {
  return PLACES.flatMap(([place, wanted]) => {
    const names = readdirSync(join(source, place)).filter((name) => wanted.test(name));
    return names.flatMap((name) => formatsOf(`${place}/${name}`, readFileSync(join(source, place, name), "utf8")));
  }).filter(({ file }) => !LEFT_OUT.test(file));
}

/** Whether the part of the kernel that a message is said to come from is the one whose source prints it. */
function isBy(file: string, by: string | undefined, arch: string | undefined): boolean {
  const folderArch = /^arch\/(\w+)\//.exec(file)?.[1];
  const archOf: Readonly<Record<string, string>> = { powerpc: "ppc64le", arm64: "arm64", x86: "x86_64", s390: "s390x" };
  // A message of common code, or of several architectures, names none.
  if (arch !== undefined && arch !== archOf[folderArch ?? ""]) return false;
  // On powerpc ftrace and the loader share the code of stubs, and its words.
  if (folderArch === "powerpc") return by === "ftrace" || by === "relocation" || by === "module loader";
  if (/ftrace/.test(file)) return by === "ftrace";
  if (file.startsWith("kernel/livepatch/")) return by === "livepatch";
  return by === "module loader" || by === "relocation";
}

const linesOf = ({ format }: Format): string[] =>
  filledIn(format)
    .split("\n")
    .filter((line) => line.trim() !== "");

describe.each(sources.map((source) => [source.split("/").at(-1) ?? "", source] as const))("%s", (_, source) => {
  const formats = formatsIn(source);

  test("formats of every part were found", () => {
    expect(formats.length).toBeGreaterThan(150);
    for (const [place] of PLACES) {
      // s390's loader may print nothing at all.
      if (!place.startsWith("arch/s390"))
        expect(formats.filter((f) => f.file.startsWith(`${place}/`)).length, place).toBeGreaterThan(0);
    }
  });

  test("each line is recognised, with what logs put before it", () => {
    const unknown = formats.flatMap((f) =>
      linesOf(f)
        .filter((l) => recogniseLine(`<4>[   12.345678] ${l}`)?.cut !== null)
        .map((l) => `${f.file}:${f.line}: ${l}`),
    );
    expect(unknown).toEqual([]);
  });

  test("each line is a message of the part that prints it", () => {
    const wrong = formats.flatMap((f) =>
      linesOf(f).flatMap((l) => {
        const message = recogniseLine(l)?.message;
        return isBy(f.file, message?.by, message?.arch)
          ? []
          : [`${f.file}:${f.line}: ${l} | ${message?.by} ${message?.arch}`];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

test("formats are read as C reads them", () => {
  const source = [
    '#define pr_fmt(fmt) "part: " fmt',
    '/* pr_err("not this"); */',
    "void f(void) {",
    '  pr_err("%s: one \\"%lu\\" "',
    '         "of %pS (%d)\\n", g("a,b", (x)), x, y, -E);',
    '  WARN(a && (b || c), KERN_ERR "not a literal" X, 1);',
    '  WARN_ONCE(f(a, ")"), "word 0x%08x\\n", w);',
    '  printk(KERN_INFO "100%%\\n"); // pr_err("nor this")',
    '  pr_cont("part of a line");',
    "}",
  ].join("\n");
  const formats = formatsOf("kernel/x.c", source);
  expect(formats.map((f) => [f.line, f.by, filledIn(f.format)])).toEqual([
    [4, "pr_err", 'part: name_1: one "7" of show_1+0x1c/0x60 [name_1] (7)\n'],
    [7, "WARN_ONCE", "word 0x3d220000\n"],
    [8, "printk", "100%\n"],
  ]);
});
