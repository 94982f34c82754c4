import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { buildElf } from "../../elf/build.ts";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

const cwd = join(root, "test/fixtures/diff/trees");
const temporary = mkdtempSync(join(tmpdir(), "klplink-trees-"));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));
const run = (...args: readonly string[]) => klplink(["diff", ...args], { cwd });
const KERNEL = ["-k", "kernel.map", "-m", "comp.ko", "-m", "dash-ed.ko"];
let count = 0;
const fresh = (): string => join(temporary, `${++count}`);

interface Entry {
  readonly file: string;
  readonly objects?: readonly string[];
  readonly functions?: readonly { readonly name: string; readonly status: string }[];
  readonly [name: string]: unknown;
}
async function json(...args: readonly string[]): Promise<{ status: number | null; files: readonly Entry[] }> {
  const { status, stdout } = await run(...args, "--format", "json");
  return { status, files: (JSON.parse(stdout) as { files: readonly Entry[] }).files };
}
const changed = (files: readonly Entry[]): Record<string, string[]> =>
  Object.fromEntries(
    files
      .slice(1)
      .map((f) => [
        f.file.replace(/^.*?\/(?=(?:arch|drivers|drv|fs|kernel)\/)/, ""),
        (f.functions ?? []).flatMap((c) => (c.status === "same" ? [] : [`${c.name} ${c.status}`])).sort(),
      ]),
  );

// What is expected follows from fixtures/diff/trees/src, and from make.sh, which says what belongs to what.
describe("a patch of several files, of the kernel and of two modules", () => {
  test("each file with what changed in it, and what it belongs to", async () => {
    const { status, files } = await json("whole/orig", "whole/patched");
    expect(status).toBe(0);
    expect(changed(files)).toEqual({
      "drv/a.o": ["a changed"],
      "drv/b.o": ["newInB new"],
      "drv/shared.o": ["shared changed"],
      "fs/one.o": ["one changed"],
      "fs/three.o": ["third new"],
      "fs/two.o": ["fresh new", "two changed"],
      "kernel/same.o": [],
    });
    expect(
      Object.fromEntries(
        files.slice(1).map((f) => [f.file.replace(/^.*?\/(?=(?:arch|drivers|drv|fs|kernel)\/)/, ""), f.objects]),
      ),
    ).toEqual({
      "drv/a.o": ["comp"],
      "drv/b.o": ["comp"],
      "drv/shared.o": ["comp", "dash_ed"],
      "fs/one.o": ["vmlinux"],
      "fs/three.o": ["vmlinux"],
      "fs/two.o": ["vmlinux"],
      "kernel/same.o": ["vmlinux"],
    });
    expect(files[0]).toMatchObject({ inBoth: 7, added: ["fs/three.o"], removed: [], functionalChange: true });
    expect(files[0]?.passedOver).toEqual([{ path: "scripts/host.o", why: "a program of the machine that builds" }]);
  });

  test("becomes one diff object: references between the files lead to the copies, all else to the target", async () => {
    const out = fresh();
    const { status, stdout } = await run("whole/orig", "whole/patched", ...KERNEL, "-o", out);
    expect(status).toBe(0);
    expect(stdout).toContain("5 functions to replace (comp: a, shared; dash_ed: shared; vmlinux: one, two)");
    const file = readElf(new Uint8Array(readFileSync(out)));
    expect(callsOf(file, "one")).toEqual([
      "__fentry__",
      ".klp.sym.rela.vmlinux.vmlinux.twin,0",
      "fresh here",
      ".klp.sym.rela.vmlinux.vmlinux.hidden,0",
      "third here",
      ".klp.sym.rela.vmlinux.vmlinux.two,0",
    ]);
    expect(callsOf(file, "a")).toEqual(["__fentry__", ".klp.sym.rela.comp.comp.shared,0", "newInB here"]);
    // The state of fresh() is its own; that of b() is the running one.
    expect(callsOf(file, "fresh")).toContain("state here");
    expect(callsOf(file, "newInB")).toContain(".klp.sym.rela.comp.comp.kept,0");
    const again = fresh();
    await run("whole/orig", "whole/patched", ...KERNEL, "-o", again);
    expect(Buffer.compare(readFileSync(out), readFileSync(again)), "same input, same bytes").toBe(0);
  });

  test("and is linked without an error, each module's relocations waiting for it", async () => {
    const [out, linked] = [fresh(), fresh()];
    await run("whole/orig", "whole/patched", ...KERNEL, "-o", out);
    const { status, stderr } = await klplink(["link", out, ...KERNEL, "-o", linked], { cwd });
    expect(stderr).not.toMatch(/^error/m);
    expect(status).toBe(0);
    const { sections } = readElf(new Uint8Array(readFileSync(linked)));
    const names = Array.from({ length: sections.count }, (_, i) => sections.name(i));
    expect(names.filter((n) => n.startsWith(".klp.rela.")).sort()).toEqual([
      ".klp.rela.comp..text.a",
      ".klp.rela.comp..text.newInB",
      ".klp.rela.vmlinux..text.one",
      ".klp.rela.vmlinux..text.two",
    ]);
  });

  test("a module that is not given is asked for", async () => {
    const { status, stderr } = await run("whole/orig", "whole/patched", "-k", "kernel.map", "-o", fresh());
    expect(status).toBe(2);
    expect(stderr).toContain("-m comp.ko -m dash_ed.ko");
  });
});

/** What the relocations of a function name, in order; `here` is behind what the file defines. */
function callsOf(file: ElfFile, name: string): string[] {
  const symbols = file.symbols;
  if (symbols === null) throw new Error("no symbols");
  const index = Array.from({ length: symbols.count }, (_, i) => i).find((i) => symbols.name(i) === name) ?? 0;
  const table = file.relocations.find((t) => t.target === symbols.sectionOf(index));
  if (table === undefined) throw new Error(`no relocations of ${name}`);
  return Array.from({ length: table.count }, (_, row) => {
    const symbol = table.symbol(row);
    const section = symbols.sectionOf(symbol);
    if (section === null) return symbols.name(symbol);
    return `${symbols.name(symbol) || file.sections.name(section).replace(/^\.\w+\./, "")} here`;
  });
}

test("a tree and a copy of it: nothing differs; by hard links nothing is read", async () => {
  const copy = fresh();
  cpSync(join(cwd, "whole/orig"), copy, { recursive: true });
  const { status, stdout } = await run("whole/orig", copy);
  expect(status).toBe(0);
  expect(stdout).toMatch(/: 7 objects in both, 0 of them differ, 0 compared/);
  const linked = fresh();
  execFileSync("cp", ["-al", copy, linked]);
  for (const name of readdirSync(linked, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".o")) chmodSync(join(linked, name), 0o000);
  }
  expect((await run(copy, linked)).status).toBe(0);
});

test("one tree within the other is no part of it", async () => {
  const outer = fresh();
  cpSync(join(cwd, "whole/orig"), outer, { recursive: true });
  cpSync(join(cwd, "whole/patched"), join(outer, "patched"), { recursive: true });
  const { stdout } = await run(outer, join(outer, "patched"));
  expect(stdout).toMatch(/: 7 objects in both, 7 of them differ, 1 new, 7 compared/);
});

test("a file that an earlier build left, and that no list names, is new where a list names it", async () => {
  const [orig, patched] = [fresh(), fresh()];
  cpSync(join(cwd, "whole/orig"), orig, { recursive: true });
  cpSync(join(cwd, "whole/patched"), patched, { recursive: true });
  // In the original tree comp has no b.o, though one lies there, and the same as in the patched one.
  cpSync(join(patched, "drv/b.o"), join(orig, "drv/b.o"));
  writeFileSync(join(orig, "drv/comp.mod"), "drv/a.o\ndrv/shared.o\n");
  const { files } = await json(orig, patched);
  expect(changed(files)["drv/b.o"]).toEqual(["b new", "newInB new"]);
  expect(files[0]?.added).toEqual(["drv/b.o", "fs/three.o"]);
});

test("a file that only the original tree's lists name is not taken for a new one", async () => {
  const [orig, patched] = [fresh(), fresh()];
  cpSync(join(cwd, "whole/orig"), orig, { recursive: true });
  cpSync(join(cwd, "whole/patched"), patched, { recursive: true });
  rmSync(join(orig, "drv/b.o"));
  const { status, stderr } = await run(orig, patched);
  expect(status).toBe(1);
  expect(stderr).toMatch(/error\[KLP723\]: drv\/b\.o is not in/);
});

test("what the kernel has already is not new: its original object is missing", async () => {
  const [orig, patched] = [fresh(), fresh()];
  cpSync(join(cwd, "whole/orig"), orig, { recursive: true });
  cpSync(join(cwd, "whole/patched"), patched, { recursive: true });
  rmSync(join(orig, "fs/two.o"));
  const { status, stderr } = await run(orig, patched, ...KERNEL, "-o", fresh());
  expect(status).toBe(1);
  expect(stderr).toMatch(/error\[KLP723\]: fs\/two\.o is not in/);
});

test("--object says what all files belong to", async () => {
  const { files } = await json("owners/orig", "owners/patched", "--object", "vmlinux");
  expect(Object.keys(changed(files))).toEqual(["arch/x86/boot/early.o", "drivers/unknown.o"]);
});

test("a tree of any files is safe: loops, pipes, devices, what may not be read, what is none", async () => {
  const [orig, patched] = [fresh(), fresh()];
  for (const [tree, source] of [
    [orig, "whole/orig"],
    [patched, "whole/patched"],
  ] as const) {
    cpSync(join(cwd, source), tree, { recursive: true });
    symlinkSync(".", join(tree, "fs/loop"));
    symlinkSync("..", join(tree, "source"));
    symlinkSync("self.o", join(tree, "self.o"));
    symlinkSync("/dev/zero", join(tree, "zero.o"));
    symlinkSync("/dev/zero", join(tree, "endless.mod"));
    execFileSync("mkfifo", [
      join(tree, "pipe.o"),
      join(tree, "pipe.mod"),
      join(tree, "drv/.pipe.o.cmd"),
      join(tree, "vmlinux.a"),
    ]);
    mkdirSync(join(tree, "folder.o"));
    writeFileSync(join(tree, "drv/garbage.mod"), Buffer.alloc(100_000, "/../a.o \0\n"));
    writeFileSync(join(tree, "fs/.two.o.cmd"), Buffer.alloc(300_000, "cmd_"));
    writeFileSync(join(tree, "drv/pipe.o"), source);
  }
  const { status, stderr, stdout } = await run(orig, patched, "-v");
  // The two whose owner is not known any more.
  expect(stderr.match(/error\[KLP718\]: \S+/g)?.sort()).toEqual([
    "error[KLP718]: drv/pipe.o",
    "error[KLP718]: fs/two.o",
  ]);
  expect(stdout).toContain("passed over: pipe.o: not a file");
  expect(stdout).toContain("passed over: zero.o: not a file");
  expect(stdout).toContain("passed over: self.o: a link that leads nowhere");
  expect(stdout).toContain("changed  function  one");
  expect(status).toBe(1);
});

test("what may not be read is said, and the status is 3", async () => {
  expect((await run("whole/orig", join(temporary, "none"))).status).toBe(3);
  const tree = fresh();
  cpSync(join(cwd, "whole/patched"), tree, { recursive: true });
  // The superuser may read all, but not a name of 300 bytes.
  rmSync(join(tree, "fs/one.o"));
  symlinkSync("x".repeat(300), join(tree, "fs/one.o"));
  const { status, stderr } = await run("whole/orig", tree);
  expect(status).toBe(3);
  expect(stderr).toMatch(/error\[KLP104\]/);
  expect(stderr).toContain("fs/one.o");
});

test("wrong usage: a folder and a file, a folder twice", async () => {
  expect((await run("whole/orig", "whole/orig/fs/one.o")).status).toBe(2);
  expect((await run("whole/orig", "whole/../whole/orig")).status).toBe(2);
});

test("a new definition that code elsewhere goes by is told with that code (src/asks.c)", async () => {
  const { status, files } = await json("weak/orig", "weak/patched");
  expect(status).toBe(0);
  const all = files.flatMap((f) => (f.problems ?? f.diagnostics ?? []) as { code: string; data: { name: string } }[]);
  expect(all.filter((p) => p.code === "KLP746").map((p) => p.data.name)).toEqual(["hook", "limit"]);
});

// What follows from src/thing.h, and from the checksums that make.sh writes.
describe("a struct of another layout, and exports of other checksums", () => {
  const trees = ["structs/orig", "structs/patched"];
  interface Told {
    readonly code: string;
    readonly data: { readonly name: string; readonly places?: readonly unknown[] };
  }
  const told = async (...args: readonly string[]): Promise<{ status: number | null; all: Told[] }> => {
    const { status, files } = await json(...trees, ...args);
    return { status, all: files.flatMap((f) => (f.problems ?? f.diagnostics ?? []) as Told[]) };
  };

  test("its users in files that the patch leaves alone are named, and none of another struct of the name", async () => {
    const { status, all } = await told();
    expect(status).toBe(0);
    const places = [{ file: "fs/only.o", functions: ["first", "holds"] }];
    expect(all.filter((p) => p.code === "KLP742").map((p) => p.data)).toMatchObject([{ name: "struct thing", places }]);
    expect(all.filter((p) => p.code === "KLP729").map((p) => p.data.name)).toEqual(["uses", "ext"]);
  });

  test("what is linked of other objects names none twice, nor what the patch itself replaces", async () => {
    const tree = fresh();
    cpSync(join(cwd, "structs/orig"), tree, { recursive: true });
    for (const [name, of] of [
      ["whole", "uses"],
      ["more", "only"],
    ] as const) {
      cpSync(join(tree, `fs/${of}.o`), join(tree, `fs/${name}.o`));
      writeFileSync(join(tree, `fs/.${name}.o.cmd`), `savedcmd_fs/${name}.o := ld -r -o fs/${name}.o fs/${of}.o\n`);
    }
    const { files } = await json(tree, "structs/patched");
    const all = files.flatMap((f) => (f.problems ?? f.diagnostics ?? []) as Told[]);
    const places = [{ file: "fs/only.o", functions: ["first", "holds"] }];
    expect(all.filter((p) => p.code === "KLP742").map((p) => p.data.places)).toEqual([places]);
  });

  test("nothing is written where taken code uses such an export", async () => {
    const kernel = [
      "-k",
      "structs/kernel.map",
      "-k",
      "structs/orig/Module.symvers",
      "-o",
      join(temporary, "structs.o"),
    ];
    const { status, all } = await told(...kernel);
    expect(status).toBe(1);
    expect(all.filter((p) => p.code === "KLP741").map((p) => p.data.name)).toEqual(["ext"]);
    expect(all.filter((p) => p.code === "KLP729").map((p) => p.data.name)).toEqual(["uses"]);
    expect(readdirSync(temporary)).not.toContain("structs.o");
  });
});

test("files whose parts repeat one another: what is beyond their bytes, the files of a tree share", async () => {
  const [orig, patched] = [fresh(), fresh()];
  // 1,600 references to one string of 80,000 characters: half of what one file may take.
  const [references, length] = [1600, 80_000];
  const object = (value: number): Uint8Array =>
    buildElf({
      machine: 62,
      sections: [
        {
          name: ".rodata.str1.1",
          type: 1,
          flags: 0x32,
          entsize: 1,
          data: new Uint8Array(length + 1).fill(0x61, 0, length),
        },
        {
          name: ".data",
          type: 1,
          flags: 3,
          align: 8,
          data: new Uint8Array(8 * references + 8).fill(value, 8 * references),
        },
        {
          ...{ name: ".rela.data", type: 4, flags: 0x40, link: ".symtab", info: ".data", align: 8, entsize: 24 },
          relocations: Array.from({ length: references }, (_, i) => ({ offset: 8 * i, symbol: 1, type: 1 })),
        },
      ],
      symbols: [
        { name: "", type: 3, home: ".rodata.str1.1" },
        { name: "table", bind: 1, type: 1, home: ".data", size: 8 * references + 8 },
      ],
    });
  for (const [i, folder] of [orig, patched].entries()) {
    mkdirSync(folder);
    for (const name of ["a.o", "b.o", "c.o", "e.o"]) writeFileSync(join(folder, name), object(i));
  }
  const codes = async (...args: readonly string[]): Promise<string[]> => {
    const { stdout } = await run(...args, "--format", "json");
    const { files } = JSON.parse(stdout) as { files: { file: string; problems: { code: string }[] }[] };
    return files.flatMap((f) => f.problems.flatMap((p) => (p.code === "KLP127" ? [f.file.slice(-3)] : [])));
  };
  expect(await codes(join(orig, "e.o"), join(patched, "e.o"))).toEqual([]);
  const refused = await codes(orig, patched, "--object", "vmlinux");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused).not.toContain("a.o");
  expect(refused).toContain("e.o");
});
