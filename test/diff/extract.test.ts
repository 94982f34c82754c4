import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { findArch } from "../../src/arch/index.ts";
import { levelOf } from "../../src/diag/catalogue.ts";
import { SHF_RELA_LIVEPATCH, SHN_LIVEPATCH } from "../../src/elf/consts.ts";
import { type ElfFile, readElf } from "../../src/elf/reader.ts";
import { diffObjects, extractDiff } from "../../src/passes/diff/diff.ts";
import { link } from "../../src/passes/link.ts";
import { load, root } from "../helpers.ts";
import { kernelWith } from "./targetOf.ts";

const folder = "test/fixtures/diff/cases";
const objects = readdirSync(join(root, folder))
  .filter((f) => f.endsWith(".orig.o"))
  .map((f) => f.slice(0, -".orig.o".length));

const bytesOf = (name: string, which: string): Uint8Array => load(`${folder}/${name}.${which}.o`);
const diffOf = (name: string) =>
  diffObjects(
    { bytes: bytesOf(name, "orig"), path: `${name}.orig.o` },
    { bytes: bytesOf(name, "patched"), path: `${name}.patched.o` },
  );

/** Cases that compare well and cannot be taken into a livepatch. */
const REFUSED: Readonly<Record<string, string>> = {
  "no-site": "KLP710",
  "ref-init": "KLP711",
  "owned-table": "KLP714",
  group: "KLP715",
  "runtime-shift": "KLP745",
  landing: "KLP733",
  "got-weak": "KLP711",
};

/** Names that relocations of an object refer to, and that it does not define; for livepatch relocations their whole names. */
function needs(file: ElfFile): { plain: string[]; klp: string[] } {
  const plain = new Set<string>();
  const klp = new Set<string>();
  for (const table of file.relocations) {
    for (let row = 0; row < table.count; row++) {
      const symbol = table.symbol(row);
      if (symbol === 0 || file.symbols === null) continue;
      if (file.symbols.rawShndx(symbol) === SHN_LIVEPATCH) klp.add(file.symbols.name(symbol));
      else if (file.symbols.isUndefined(symbol)) plain.add(file.symbols.name(symbol));
    }
  }
  return { plain: [...plain].sort(), klp: [...klp].sort() };
}

const MACHINES = { x86_64: 62, arm64: 183 } as const;
const nameOf = (arch: keyof typeof MACHINES, type: number): string =>
  findArch(MACHINES[arch])?.relocs.defs.get(type)?.name ?? "";

describe.each(objects)("%s", (name) => {
  test("what is taken is linked without an error, and needs nothing that the kernel does not have", async () => {
    const result = await diffOf(name);
    // What the patched object needs and the original does not.
    const more = name.startsWith("toc-constant") ? ["two"] : name.startsWith("runtime") ? ["elsewhere"] : [];
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"], [], more);
    const refused = result.problems.some((p) => levelOf(p) === "error");
    const taken = extractDiff(result, { kernel, object: "vmlinux" });
    if (refused || result.isEmpty) return;
    const code = REFUSED[name.replace(/\.[^.]+$/, "")];
    if (code !== undefined) {
      expect(taken.problems.map((p) => p.code)).toEqual([code]);
      expect(taken.bytes).toBeNull();
      return;
    }
    const init = result.diff.functions.every((c) => c.status === "same" || c.patched?.isInit === true);
    expect(taken.problems).toEqual([]);
    expect(taken.bytes === null).toBe(init);
    if (taken.bytes === null) return;
    const again = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    expect(Buffer.compare(taken.bytes, again.bytes ?? new Uint8Array(0)), "same input, same bytes").toBe(0);
    const linked = await link(taken.bytes, { file: `${name}.o`, kernel });
    expect(linked.problems.filter((p) => levelOf(p) === "error")).toEqual([]);
    expect(linked.producer).toBe("klplink");
    const file = readElf(linked.output ?? new Uint8Array(0));
    const { plain, klp } = needs(file);
    for (const symbol of klp) {
      const own = /^\.klp\.sym\.vmlinux\.(.+),0$/.exec(symbol)?.[1] ?? "";
      expect(kernel.find(own), symbol).toHaveLength(1);
    }
    for (const symbol of plain) expect(["ext", ".TOC.", "__fentry__", "_mcount"], symbol).toContain(symbol);
  });
});

describe.each(["x86_64", "arm64", "ppc64le"])("%s", (arch) => {
  test("a call goes to the kernel, with its position; an exported one is left to the loader", async () => {
    const name = `constant.${arch}`;
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"]);
    const taken = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    expect(taken.replaced.map((r) => [r.name, r.position])).toEqual([["f", 0]]);
    const { plain } = needs(readElf(taken.bytes ?? new Uint8Array(0)));
    expect(plain).toContain("ext");
    expect(plain).toContain(".klp.sym.rela.vmlinux.vmlinux.helper,0");
  });

  test("the variable keeps its state: it is referred to, not copied", async () => {
    const name = `static-above.${arch}`;
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"]);
    const { bytes, inclusion } = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    // e and its own new variable.
    expect([...inclusion.items.keys()].map((i) => i.canonical).sort()).toEqual(["cnt", "e"]);
    expect(bytes).not.toBeNull();
  });

  test("callers are replaced where a function has no site; an address stays that of the original", async () => {
    const callers = extractDiff(await diffOf(`callers.${arch}`), {
      kernel: kernelWith(bytesOf(`callers.${arch}`, "orig"), ["ext"]),
      object: "vmlinux",
    });
    expect(callers.replaced.map((r) => r.name)).toEqual(["outer"]);
    expect([...callers.inclusion.items.keys()].map((i) => i.name).sort()).toEqual(["inner", "outer"]);
    const name = `pointer.${arch}`;
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"]);
    const { bytes } = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    // The call goes to the copy: no relocation but the pointer's names the original.
    const file = readElf(bytes ?? new Uint8Array(0));
    const uses = file.relocations.flatMap((t) =>
      [...Array(t.count).keys()].filter(
        (row) => file.symbols?.name(t.symbol(row)) === ".klp.sym.rela.vmlinux.vmlinux.f,0",
      ),
    );
    // arm64 makes an address of two parts.
    expect(uses).toHaveLength(arch === "arm64" ? 2 : 1);
  });

  test("callbacks and states that the patch names are in the tables", async () => {
    const name = `annotations.${arch}`;
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"]);
    const { bytes, inclusion } = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    expect([...inclusion.items.keys()].map((i) => i.name)).toEqual(expect.arrayContaining(["f", "pre"]));
    const file = readElf(bytes ?? new Uint8Array(0));
    const objects = file.sections.findByName(".init.klp_objects");
    const pointers = file.relocations
      .filter((t) => t.target === objects)
      .flatMap((t) => [...Array(t.count).keys()].map((row) => [t.offset(row), file.symbols?.name(t.symbol(row))]));
    // struct klp_object_ext: callbacks.pre_patch is at 16.
    expect(pointers).toContainEqual([16, "pre"]);
    const states = file.sections.data(file.sections.findByName(".klplink.states") ?? 0);
    expect([...states]).toEqual([7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("a symbol that the kernel does not have is an error, and one that it has twice", async () => {
    const name = `constant.${arch}`;
    const result = await diffOf(name);
    const codes = (kernel: ReturnType<typeof kernelWith>, positions = new Map<string, number>()) => {
      const { problems, bytes } = extractDiff(result, { kernel, object: "vmlinux", positions });
      return { codes: problems.map((p) => p.code), written: bytes !== null };
    };
    const orig = bytesOf(name, "orig");
    expect(codes(kernelWith(orig, ["ext"], ["helper"]))).toEqual({ codes: ["KLP709"], written: false });
    expect(codes(kernelWith(orig, ["ext"], ["f"]))).toEqual({ codes: ["KLP709"], written: false });
    const twice = kernelWith(orig, ["ext"], [], ["helper"]);
    expect(codes(twice)).toEqual({ codes: ["KLP708"], written: false });
    expect(codes(twice, new Map([["helper", 2]]))).toEqual({ codes: [], written: true });
  });

  test("livepatch relocations of the linked object are in sections of their own", async () => {
    const name = `end-of-array.${arch}`;
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"]);
    const { bytes } = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    const linked = await link(bytes ?? new Uint8Array(0), { file: "end-of-array.o", kernel });
    const file = readElf(linked.output ?? new Uint8Array(0));
    const own = [...Array(file.sections.count).keys()].filter((i) => file.sections.hasFlags(i, SHF_RELA_LIVEPATCH));
    expect(own.map((i) => file.sections.name(i))).toEqual([
      arch === "ppc64le" ? ".klp.rela.vmlinux..toc" : ".klp.rela.vmlinux..text.f",
    ]);
  });
});

// Encodings by GNU as: `mov limit(%rip),%rax`, `mov limit(%rip),%r8`; `adrp x0,limit`, `ldr x0,[x0,:lo12:limit]`, `nop`.
describe.each([
  ["x86_64", "R_X86_64_PC32", -4n, /^(?:48|4c)8b(?:05|0d|15|1d|25|2d|35|3d)000000000f1f00$/, "efcdab8967452301"],
  ["arm64", "R_AARCH64_ADR_PREL_PG_HI21", 0n, /^(?:..000090){1}(?:..0.40f9)1f2003d51f2003d5$/, "e0bd99d2"],
] as const)("constants of the kernel's, %s", (arch, type, addend, code, constant) => {
  test("become loads from their variables", async () => {
    const name = `runtime-pointer.${arch}`;
    const kernel = kernelWith(bytesOf(name, "orig"), ["ext"], [], ["elsewhere"]);
    const { bytes, problems } = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
    expect(problems).toEqual([]);
    const file = readElf(bytes ?? new Uint8Array(0));
    const found: string[] = [];
    for (const table of file.relocations) {
      for (let row = 0; row < table.count; row++) {
        const variable = /^\.klp\.sym\.rela\.vmlinux\.vmlinux\.(limit|table|elsewhere),0$/.exec(
          file.symbols?.name(table.symbol(row)) ?? "",
        )?.[1];
        if (variable === undefined || nameOf(arch, table.type(row)) !== type) continue;
        expect(table.addend(row)).toBe(addend);
        const at = table.offset(row) - (arch === "x86_64" ? 3 : 0);
        const size = arch === "x86_64" ? 10 : 16;
        expect(Buffer.from(file.sections.data(table.target).subarray(at, at + size)).toString("hex")).toMatch(code);
        found.push(variable);
      }
    }
    // f has one; g three: the compiler makes one of the two of `table`.
    expect(found.sort()).toEqual(["elsewhere", "limit", "limit", "table"]);
    expect(Buffer.from(bytes ?? new Uint8Array(0)).toString("hex")).not.toContain(constant);
  });
});

test.each(["x86_64"])("what was split off a global function goes with it, unchanged as it is: %s", async (arch) => {
  const pairs = "test/fixtures/diff/pairs";
  const [orig, patched] = ["orig", "patched"].map((which) => load(`${pairs}/cold-trap.${arch}.${which}.o`));
  if (orig === undefined || patched === undefined) throw new Error(arch);
  const result = await diffObjects({ bytes: orig, path: "orig.o" }, { bytes: patched, path: "patched.o" });
  const { inclusion, bytes } = extractDiff(result, { kernel: kernelWith(orig, ["ext"]), object: "vmlinux" });
  const parts = result.patched.file.symbols === null ? [] : [...inclusion.items.keys()].map((i) => i.name);
  // A jump to the original's part would come back into the original.
  expect(parts.sort()).toEqual(["f", "f.cold"]);
  expect(needs(readElf(bytes ?? new Uint8Array(0))).klp).toEqual([]);
});

// test/boot/orphans.test.ts has the same of a real kernel's vmlinux.
test.each([
  ["orphan", "KLP602", false],
  ["unclear", "KLP603", true],
] as const)("a patch site that the kernel takes from code behind the function: %s", async (kind, code, isWritten) => {
  const name = "cold.ppc64le";
  const kernel = kernelWith(bytesOf(name, "orig"), ["ext"]);
  vi.spyOn(kernel, "findFtraceRecord").mockImplementation((address) => ({ kind, address: address + 64n }));
  const { bytes, problems } = extractDiff(await diffOf(name), { kernel, object: "vmlinux" });
  expect(problems.map((p) => p.code)).toContain(code);
  expect(bytes !== null).toBe(isWritten);
});
