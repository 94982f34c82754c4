// The code that V8 made in an earlier run (bin/parts.js): kept, used, and never taken on trust.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { builtCommand } from "../built.ts";
import { root } from "../helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-code-"));
const cache = join(folder, "cache");
const kept = join(cache, "klplink/code");
const [ours, others] = [join(folder, "ours"), join(folder, "others")];
const good = join(root, "samples/ppc64le/meminfo/meminfo.klp.o");

beforeAll(() => {
  builtCommand();
  for (const to of [ours, others]) {
    for (const part of ["bin", "dist/klplink.cjs", "dist/capstone", "dist/apart"])
      cpSync(join(root, part), join(to, part), { recursive: true });
  }
  // Another build, of the same length, that says something else.
  const bundle = join(others, "dist/klplink.cjs");
  const text = readFileSync(bundle, "latin1");
  const changed = text.replace(/^\/\*.{16}/, "/*0123456789abcdef").replace(/"no error found"/g, '"no fault found"');
  expect(changed.length).toBe(text.length);
  expect(changed).toContain("no fault found");
  writeFileSync(bundle, changed, "latin1");
});
afterAll(() => rmSync(folder, { recursive: true }));

function check(where: string, env: NodeJS.ProcessEnv = { XDG_CACHE_HOME: cache }): string {
  const done = spawnSync(process.execPath, [join(where, "bin/klplink.js"), "check", good], { env });
  expect(done.stderr.toString()).toBe("");
  expect(done.status).toBe(0);
  return done.stdout.toString().replace(/^.*?: (.*?);.*$/s, "$1");
}

const files = (): string[] => readdirSync(kept).sort();
const only = (): string => join(kept, files()[0] ?? "");

test("the first run keeps it, the next ones take it; another build has its own", () => {
  expect(check(ours)).toBe("no error found");
  expect(files()).toHaveLength(1);
  const before = statSync(only());
  expect(before.mode & 0o777).toBe(0o600);
  expect(check(ours)).toBe("no error found");
  const { ino, mtimeMs } = statSync(only());
  expect({ ino, mtimeMs }).toEqual({ ino: before.ino, mtimeMs: before.mtimeMs });
  expect(check(others)).toBe("no fault found");
  expect(check(ours)).toBe("no error found");
  expect(files()).toHaveLength(2);
});

test("damaged, or one that others may write to: not run, and made anew", () => {
  const [other = "", own = ""] = files();
  expect(other).toContain("0123456789abcdef");
  const path = join(kept, own);
  // V8 itself would run it: only the length of the source is compared.
  cpSync(join(kept, other), path);
  expect(check(ours)).toBe("no fault found");
  chmodSync(path, 0o620);
  expect(check(ours)).toBe("no error found");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const damaged = readFileSync(path);
  damaged.fill(0, 0x8000, 0x8200);
  writeFileSync(path, damaged);
  expect(check(ours)).toBe("no error found");
  expect(readFileSync(path).equals(damaged)).toBe(false);
});

test("where nothing can be kept nothing is said", () => {
  for (const env of [{}, { HOME: "/nowhere/at/all" }, { XDG_CACHE_HOME: good }, { HOME: "relative" }])
    expect(check(ours, env)).toBe("no error found");
  const before = files();
  // Flags of V8 are those of one run.
  expect(check(ours, { XDG_CACHE_HOME: cache, NODE_OPTIONS: "--stack-trace-limit=7" })).toBe("no error found");
  expect(files()).toEqual(before);
});

test("what one build read of a kernel, another build of the same version reads itself", () => {
  const indexes = join(cache, "klplink/kernels");
  const bundle = join(others, "dist/klplink.cjs");
  const text = readFileSync(bundle, "latin1");
  const changed = text.replace(/build:[0-9a-f]{16}/, "build:0123456789abcdef");
  expect(changed).not.toBe(text);
  writeFileSync(bundle, changed, "latin1");
  // Smaller ones are not kept: what stands behind the last section counts for nothing else.
  const kernel = join(folder, "vmlinux");
  writeFileSync(
    kernel,
    Buffer.concat([readFileSync(join(root, "test/fixtures/kernel/vmlinux-x86_64")), Buffer.alloc(1 << 20)]),
  );
  const against = (where: string): string[] => {
    const args = ["check", "test/fixtures/klp/patch-x86_64.o", "-k", kernel];
    const done = spawnSync(process.execPath, [join(where, "bin/klplink.js"), ...args], {
      cwd: root,
      env: { XDG_CACHE_HOME: cache },
    });
    expect(done.status).toBe(1);
    expect(done.stderr.toString()).toContain("KLP410");
    return readdirSync(indexes);
  };
  expect(against(ours)).toHaveLength(1);
  expect(against(ours)).toHaveLength(1);
  expect(against(others)).toHaveLength(2);
});

test("whatever a file of kept code holds, of each part it gives what was kept, or nothing", () => {
  const { Code } = createRequire(import.meta.url)(join(root, "bin/parts.js")) as {
    Code: new (
      dist: string,
      digest: string,
      command: string,
    ) => { readonly name: string; codeOf(part: number): Uint8Array | undefined };
  };
  const dist = join(folder, "kept");
  const { name } = new Code(dist, "0123456789abcdef", "check");
  mkdirSync(join(dist, "code"), { recursive: true });
  const made = readdirSync(join(root, "dist/code")).find((file) => file.startsWith("sites-")) ?? "";
  const whole = readFileSync(join(root, "dist/code", made));
  const path = join(dist, "code", name);
  const taken = (bytes: Uint8Array): (Uint8Array | undefined)[] => {
    writeFileSync(path, bytes);
    const code = new Code(dist, "0123456789abcdef", "check");
    return Array.from({ length: 255 }, (_, part) => code.codeOf(part));
  };
  const kept = taken(whole);
  const count = kept.filter((data) => data !== undefined).length;
  expect(count).toBeGreaterThan(2);
  expect(whole.readInt32LE(4)).toBe(count);
  const head = 16 + 16 * count;
  const outcomes = new Set<string>();
  for (let i = 0; i < 600; i++) {
    const bytes = Buffer.from(whole.subarray(0, i % 5 === 0 ? (i * 7919) % whole.length : whole.length));
    // Of code only some words are in the sum: there any damage may go unseen, and nothing else.
    const isInCode = i % 5 !== 0 && i % 2 !== 0;
    if (i % 5 !== 0 && bytes.length > head) {
      const at = i % 2 === 0 ? (i * 31) % head : head + ((i * 104729) % (whole.length - head));
      bytes.fill((i * 13) & 0xff, at, at + 1 + (i % 64));
    }
    for (const [part, data] of taken(bytes).entries()) {
      outcomes.add(data === undefined ? "nothing" : "what was kept");
      if (data === undefined) continue;
      if (isInCode) expect(data.length).toBe(kept[part]?.length);
      else expect(Buffer.compare(data, kept[part] ?? new Uint8Array(0))).toBe(0);
    }
  }
  expect([...outcomes].sort()).toEqual(["nothing", "what was kept"]);
});
