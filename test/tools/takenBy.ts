// What create-diff-object and `objtool klp diff`, the real ones and klplink in their place, make of a pair of test/fixtures/diff/pairs: the
// functions that are replaced, what is taken, and what its relocations mean.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "../../src/elf/reader.ts";
import { finish } from "../../src/passes/finish.ts";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";
import { meaningsOf, reading } from "./meaning.ts";

const pairs = join(root, "test/fixtures/diff/pairs");

export const namesOfPairs = (arch: string): string[] =>
  readdirSync(pairs).flatMap((f) => (f.endsWith(`.${arch}.orig.o`) ? [f.slice(0, -`.${arch}.orig.o`.length)] : []));

/** What a tool made: a refusal, nothing, or an object. */
export type Made =
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "nothing" }
  | {
      readonly kind: "object";
      readonly replaced: readonly string[];
      readonly items: ReadonlyMap<string, readonly string[]>;
    };

/** A name without the numbers of compilers. */
const plain = (name: string): string => name.replace(/(?:\.\d+)+$/, "");

/** Sections of code and data that have their items' names; all others are tables. */
const OF_ITEMS = /^\.(?:text|data|bss|rodata)\b(?!.*klp)|^\.toc$/;

/** A folder with the pair as `orig.o` and `patched.o`, and with the kernel that it is of: its own symbols, and exports of all it lacks. */
export function prepare(folder: string, pair: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const outside = new Set<string>();
  for (const which of ["orig", "patched"]) {
    const path = join(pairs, `${pair}.${which}.o`);
    copyFileSync(path, join(folder, `${which}.o`));
    const { symbols } = readElf(new Uint8Array(readFileSync(path)));
    for (let i = 1; i < (symbols?.count ?? 0); i++) if (symbols?.isUndefined(i)) outside.add(symbols.name(i));
  }
  outside.delete("");
  const exports = [...outside, "printk"].sort().map((n) => `0x00000000\t${n}\tvmlinux\tEXPORT_SYMBOL\t\n`);
  writeFileSync(join(folder, "Module.symvers"), exports.join(""));
  const listing = spawnSync("readelf", ["-sW", join(folder, "orig.o")], { encoding: "utf8" }).stdout;
  writeFileSync(join(folder, "symtab"), listing.replaceAll(/ \[<localentry>: \d+\]/g, ""));
}

/** Runs a real tool. @returns status and what it said */
export function runTool(folder: string, tool: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Told {
  const done = spawnSync(tool, args, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { status: done.status, said: `${done.stdout}${done.stderr}` };
}

export async function runKlplink(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Told> {
  const { status, stdout, stderr } = await klplink(args, { cwd: folder, env });
  return { status, said: `${stdout}${stderr}` };
}

interface Told {
  readonly status: number | null;
  readonly said: string;
}

/** @param good statuses for an object, or nothing to write */
export function madeOf(
  folder: string,
  output: string,
  { status, said }: Told,
  good: readonly number[],
  isX86: boolean,
): Made {
  if (status === null || !good.includes(status))
    return { kind: "refused", why: /(?:error|ERROR)(.*)/.exec(said)?.[0] ?? `status ${status}` };
  const path = join(folder, output);
  if (!existsSync(path)) return { kind: "nothing" };
  const bytes = new Uint8Array(readFileSync(path));
  const replaced = replacedIn(bytes);
  const finished = finish(readElf(bytes), { file: output }).output ?? bytes;
  const read = reading(finished);
  const items = new Map<string, readonly string[]>();
  const toEnd = (type: number): number => (isX86 && (type === 2 || type === 4) ? 4 : 0);
  for (const [section, list] of read.names) {
    if (!OF_ITEMS.test(read.file.sections.name(section))) continue;
    for (const { name } of list) items.set(plain(name), (meaningsOf(read, name, toEnd) ?? []).map(normal));
  }
  return { kind: "object", replaced, items };
}

/** Livepatch symbols by their names alone: positions of names that are the only ones are 0 or 1. */
const normal = (text: string): string =>
  text.replace(/\.klp\.sym\.[^.]+\.(\S+?),\d+/, "klp $1").replace(/(?:\.\d+)+(?=[+\s-]|$)/g, "");

/** Names in the table of functions: struct kpatch_patch_func, or klp_func_ext. */
function replacedIn(bytes: Uint8Array): string[] {
  const file = readElf(bytes);
  const { sections, symbols } = file;
  const found: string[] = [];
  for (const [name, size, at] of [
    [".kpatch.funcs", 56, 40],
    [".init.klp_funcs", 24, 0],
  ] as const) {
    for (const table of file.relocations) {
      if (sections.name(table.target) !== name || symbols === null) continue;
      for (let row = 0; row < table.count; row++) {
        if (table.offset(row) % size !== at) continue;
        const data = sections.data(symbols.sectionOf(table.symbol(row)) ?? 0);
        const start = symbols.offset(table.symbol(row)) + Number(table.addend(row));
        found.push(plain(Buffer.from(data.subarray(start, data.indexOf(0, start))).toString("latin1")));
      }
    }
  }
  return [...new Set(found)].sort();
}

/** In what two results differ, in words; empty: in nothing. @param theirs of the real tool */
export function differences(ours: Made, theirs: Made): string[] {
  if (ours.kind !== "object" || theirs.kind !== "object") {
    if (ours.kind === theirs.kind) return [];
    const told = (m: Made): string =>
      m.kind === "refused" ? `refuses (${m.why.trim()})` : m.kind === "nothing" ? "writes nothing" : "takes it";
    return [`klplink ${told(ours)}, it ${told(theirs)}`];
  }
  const found: string[] = [];
  const sets = (what: string, one: Iterable<string>, other: Iterable<string>): void => {
    const [a, b] = [new Set(one), new Set(other)];
    const more = [...a].filter((x) => !b.has(x)).sort();
    const less = [...b].filter((x) => !a.has(x)).sort();
    if (more.length > 0) found.push(`${what}: klplink alone has ${more.join("; ")}`);
    if (less.length > 0) found.push(`${what}: it alone has ${less.join("; ")}`);
  };
  sets("replaced", ours.replaced, theirs.replaced);
  sets("taken", ours.items.keys(), theirs.items.keys());
  for (const [name, list] of ours.items) {
    const other = theirs.items.get(name);
    if (other !== undefined) sets(`references of ${name}`, list, other);
  }
  return found;
}
