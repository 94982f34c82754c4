// Linked objects: what `ld -r` made of several files that have names in common, before and after a change of one of them. Each function is
// told by its file, or where the file symbols were stripped, by what it is.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { diffObjects } from "../../src/passes/diff/diff.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-linked-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CC: readonly string[] = [
  ...["-O2", "-ffunction-sections", "-fdata-sections", "-fno-PIE", "-ffreestanding", "-fno-asynchronous-unwind-tables"],
  ...["-mcmodel=kernel", "-mno-red-zone", "-pg", "-mfentry"],
];

/** A file core.c; its static functions and variables have the names of all others'. */
const source = (number: number, more: number): string => `
extern int ext(int); extern int printk(const char *, ...);
static int state = ${number};
static __attribute__((noinline)) int step(int x) { static int calls; printk("step ${number}\\n"); return ext(x + ${more}) + (state += ++calls); }
int run${number}(int x) { static int calls; return step(x) * ${number} + ++calls; }
`;

/** Its number, what is added in step(), and its name. */
type File = readonly [number, number, string?];
const one: File = [1, 5];
const two: File = [2, 5];

/** @param files in the order of the link */
function linked(name: string, files: readonly File[], strip: boolean): Uint8Array {
  const objects = files.map(([number, more, name = "core.c"]) => {
    const [c, o] = [join(folder, name), join(folder, `${number}-${more}.o`)];
    writeFileSync(c, source(number, more));
    execFileSync("x86_64-linux-gnu-gcc", [...CC, "-c", c, "-o", o]);
    return o;
  });
  const out = join(folder, `${name}.o`);
  execFileSync("x86_64-linux-gnu-ld", ["-r", ...objects, "-o", out]);
  if (strip) execFileSync("x86_64-linux-gnu-strip", ["-g", out]);
  return new Uint8Array(readFileSync(out));
}

const diffOf = async (a: Uint8Array, b: Uint8Array) => {
  const { diff, problems } = await diffObjects({ bytes: a, path: "orig.o" }, { bytes: b, path: "patched.o" });
  const told = (list: typeof diff.functions): string[] =>
    list.flatMap((c) => (c.status === "same" ? [] : [`${c.name} ${c.status} ${c.orig?.file ?? 0}`]));
  return { functions: told(diff.functions), data: told(diff.data), problems: problems.map((p) => p.code) };
};

describe.each([false, true])("stripped: %s", (strip) => {
  const base = [
    [1, 5],
    [2, 5],
    [3, 5],
  ] as const;

  test("one file of three differs: its function alone changed", async () => {
    const patched = base.map(([n]) => [n, n === 2 ? 6 : 5] as const);
    const found = await diffOf(linked("a", base, strip), linked("b", patched, strip));
    expect(found).toEqual({ functions: [`step changed ${strip ? 0 : 2}`], data: [], problems: [] });
  });

  test("an object and itself", async () => {
    const bytes = linked("c", base, strip);
    expect(await diffOf(bytes, bytes)).toEqual({ functions: [], data: [], problems: [] });
  });
});

test("a file more in the middle, of a name of its own: the others keep their counterparts", async () => {
  const orig = linked("d", [one, two], false);
  const found = await diffOf(orig, linked("e", [one, [9, 5, "extra.c"], [2, 6]], false));
  expect(found.functions.filter((f) => f.includes("changed"))).toEqual(["step changed 2"]);
  expect(found.functions.filter((f) => f.includes("new")).length).toBe(2);
  expect(found.problems).toEqual([]);
});

test("a file more of the same name: none of its functions is taken for that of another file", async () => {
  const orig = linked("f", [one, two], false);
  const found = await diffOf(orig, linked("g", [one, [9, 5], [2, 6]], false));
  expect(found.functions.filter((f) => f.startsWith("step changed"))).toEqual([]);
  // Those that call it go on to the new one.
  expect(found.functions.filter((f) => f.startsWith("run"))).toEqual([
    "run1 changed 0",
    "run2 changed 0",
    "run9 new 0",
  ]);
});

describe("functions of the kernel that are in the linked object themselves", () => {
  const reporter = `void __might_sleep(const char *file, int line) { asm volatile("" :: "r"(file), "r"(line)); }
void *kthread_create_on_node(int (*f)(void *), void *data, int node, const char *name) { asm volatile("" :: "r"(f)); return data; }
`;
  const user = (before: string, more: number): string => `${before}
extern void __might_sleep(const char *, int), *kthread_create_on_node(int (*)(void *), void *, int, const char *);
extern int ext(int);
static __attribute__((noinline)) int loop(void *data) { return ext(${more}); }
void *start(void) { return kthread_create_on_node(loop, 0, -1, "loop"); }
int waits(int x) { __might_sleep("user.c", __LINE__); return ext(x); }
`;
  const both = (name: string, text: string): Uint8Array => {
    const objects = [["reporter.c", reporter] as const, ["user.c", text] as const].map(([file, content]) => {
      writeFileSync(join(folder, file), content);
      execFileSync("x86_64-linux-gnu-gcc", [...CC, "-g", "-w", "-c", file, "-o", `${name}-${file}.o`], { cwd: folder });
      return join(folder, `${name}-${file}.o`);
    });
    const out = join(folder, `${name}.o`);
    execFileSync("x86_64-linux-gnu-ld", ["-r", ...objects, "-o", out]);
    return new Uint8Array(readFileSync(out));
  };

  test("a line that only moved is seen by the name of what it is passed to", async () => {
    const found = await diffOf(both("lines-a", user("", 1)), both("lines-b", user("\n\n\n", 1)));
    expect(found).toEqual({ functions: [], data: [], problems: [] });
  });

  test("the main function of a thread is told by whom its address is given to", async () => {
    const found = await diffOf(both("thread-a", user("", 1)), both("thread-b", user("", 2)));
    expect(found).toEqual({ functions: ["loop changed 2"], data: [], problems: ["KLP731"] });
  });
});

test("code that cannot be read is the same where its bytes are, and all that lies beside it", async () => {
  // 32-bit code that a kernel begins with (arch/x86/platform/pvh/head.S): as 64-bit code its operands end elsewhere.
  const assembled = (more: string): Uint8Array => {
    const text = `.section .head.text,"ax"\n.globl start\n.type start,@function\nstart:\n.code32\nlea rel(%ebp), %eax\n.byte 0x8d,0x85\n.long rel - start\nljmp $0x10,$1f\n1: .byte 0x06,0x0e,0xea\nret\n.size start, . - start\n.globl next\n.type next,@function\nnext:\n.code64\nmov $${more}, %eax\nret\n.size next, . - next\n.data\n.local rel\n.type rel,@object\nrel: .long 1\n.size rel,4\n.globl last\n.type last,@object\nlast: .long 2\n.size last,4\n`;
    writeFileSync(join(folder, "head.s"), text);
    execFileSync("x86_64-linux-gnu-as", ["head.s", "-o", "head.o"], { cwd: folder });
    return new Uint8Array(readFileSync(join(folder, "head.o")));
  };
  expect(await diffOf(assembled("1"), assembled("1"))).toEqual({ functions: [], data: [], problems: [] });
  const { functions } = await diffOf(assembled("1"), assembled("2"));
  expect(functions).toEqual(["next changed 0"]);
});

test("a part that was split off belongs to the function of its own file", async () => {
  const text = (number: number, cold: number): string => `
extern int ext(int); extern void unlikely(int) __attribute__((cold));
static __attribute__((noinline)) int probe(int x) { if (x > 7) { unlikely(${cold}); unlikely(x); return ext(x) * 7 + ext(3); } return ext(x) + ${number}; }
int run${number}(int x) { return probe(x) * 3; }
`;
  const made = (name: string, parts: readonly [number, number][]): Uint8Array => {
    const objects = parts.map(([number, cold]) => {
      const [c, o] = [join(folder, "cold.c"), join(folder, `cold-${number}-${cold}.o`)];
      writeFileSync(c, text(number, cold));
      execFileSync("x86_64-linux-gnu-gcc", [...CC, "-c", c, "-o", o]);
      return o;
    });
    const out = join(folder, name);
    execFileSync("x86_64-linux-gnu-ld", ["-r", ...objects, "-o", out]);
    expect(execFileSync("nm", [out], { encoding: "utf8" }).match(/ probe\.cold$/gm)).toHaveLength(2);
    return new Uint8Array(readFileSync(out));
  };
  const orig = made("cold-a.o", [[1, 11], [2, 12]]); // biome-ignore format: pairs
  for (const [file, parts] of [[1, [[1, 99], [2, 12]]], [2, [[1, 11], [2, 99]]]] as [number, [number, number][]][]) // biome-ignore format: pairs
    expect((await diffOf(orig, made("cold-b.o", parts))).functions).toEqual([`probe changed ${file}`]);
});
