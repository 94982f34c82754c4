// `klplink explain` on lines and modules whose answer is known from the objects themselves: words and relocations as
// powerpc64le-linux-gnu-objdump -dr shows them. Real kernels' lines: test/boot/explain.test.ts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { codes } from "../../../src/diag/definitions.ts";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";
import { type Explained, explain, fixtures, isExplanation } from "./explained.ts";

const meminfo = "meminfo-debug.o";

test("codes as JSON keep to the schema, too", async () => {
  const document: unknown = JSON.parse((await klplink(["explain", "--format", "json", "KLP301", "KLP404"])).stdout);
  expect(isExplanation(document) ? [] : isExplanation.errors).toEqual([]);
  expect(isExplanation({ schema: "klplink-explain/1" })).toBe(false);
});

/** Offset and source line of each candidate. */
const places = (e: Explained | undefined): string[] =>
  (e?.candidates ?? []).map((c) => `${c.offset?.toString(16)} ${c.source[0]?.line} ${c.certainty}`);

const nop = (word: string, address?: string): string =>
  address === undefined
    ? `module_64: meminfo_debug: Expect noop after relocate, got ${word}`
    : `module_64: meminfo_debug: Expected nop after call, got ${word} at ${address}`;

describe("the word behind a call", () => {
  // objdump: 68 bl, 6c 3c820000 addis r4,r2,0 with R_PPC64_TOC16_HA; 7c bl, 80 e8be0000 ld r5,0(r30); ac bl, b0 38210080.
  test("as it is in the file", async () => {
    expect(places((await explain(nop("e8be0000"), "--module", meminfo))[0])).toEqual(["7c 37 only"]);
    expect(places((await explain(nop("38210080"), "--module", meminfo))[0])).toEqual(["ac 40 only"]);
  });

  test("before and after its own relocation was applied", async () => {
    // REL24 (type 10) sorts behind TOC16_HA (50) for higher symbol numbers only; both words are possible, one is likelier.
    expect(places((await explain(nop("3c820000"), "--module", meminfo))[0])).toEqual(["68 36 only"]);
    expect(places((await explain(nop("3c82ffff"), "--module", meminfo))[0])).toEqual(["68 36 only"]);
    expect(places((await explain(nop("3c620000"), "--module", meminfo))[0])).toEqual([]);
  });

  test("with the address", async () => {
    expect(
      places((await explain(nop("38210080", "meminfo_proc_show+0xa8/0xd8 [meminfo_debug]"), "--module", meminfo))[0]),
    ).toEqual(["ac 40 exact"]);
    // The word fits, the address does not.
    expect(
      places((await explain(nop("38210080", "meminfo_proc_show+0xac/0xd8 [meminfo_debug]"), "--module", meminfo))[0]),
    ).toEqual([]);
  });

  test("decoded", async () => {
    expect((await explain(nop("3d220000")))[0]?.decoded[0]).toMatch(
      /^3d220000 is `addis r9,r2,0`: it loads through r2/,
    );
    expect((await explain(nop("38210080")))[0]?.decoded[0]).toMatch(
      /^38210080 is `addi r1,r1,128`: it closes the frame/,
    );
  });

  test("of another module is doubted", async () => {
    const line = nop("38210080").replace("meminfo_debug", "other");
    expect((await explain(line, "--module", meminfo))[0]?.doubt).toBe(
      "the line is about module other, the file is meminfo_debug",
    );
  });
});

test("an unknown relocation type: the place, with its problem", async () => {
  const [e] = await explain("Modules: module got_arm64: unsupported RELA relocation: 312", "--module", "got-arm64.o");
  expect(places(e)).toEqual(["4 7 only"]);
  expect(e?.candidates[0]?.problem?.code).toBe("KLP201");
  expect(e?.decoded).toEqual(["relocation type 312 is R_AARCH64_LD64_GOT_LO12_NC"]);
});

test("x86_64 of 7.x names the row of the relocation section", async () => {
  const text = "module: overflow in relocation type 10 val ffffffffc0100010 sec 2 idx 0";
  const [e] = await explain(text, "--module", "got-x86_64.o");
  expect(e?.decoded).toEqual([
    "relocation type 10 is R_X86_64_32",
    "value 0xffffffffc0100010 (as a signed number -0x3feffff0)",
  ]);
  // Row 0 of .rela.text is of another type in this file.
  expect(places(e)).toEqual([]);
});

describe("the value in a line narrows the relocations of its type", () => {
  const line = (value: string): string => `module: overflow in relocation type 10 val ${value}`;
  const because = (e: Explained | undefined): string[] =>
    (e?.candidates ?? []).map((c) => `${c.offset?.toString(16)} ${c.certainty}: ${c.because}`);

  test("modules begin on a page, so the value's low bits are the place of the symbol in its page", async () => {
    // readelf: R_X86_64_32 at .text+1 against .data; .data is the first section of its page.
    expect(because((await explain(line("ffffffffc0a21000"), "--module", "image/overflow.ko"))[0])).toEqual([
      "1 only: its value ends like 0xffffffffc0a21000, as at any address the module can have",
    ]);
    expect(because((await explain(line("ffffffffc0a21008"), "--module", "image/overflow.ko"))[0])).toEqual([
      "1 possible: it has a relocation of type 10, but in this file its value is another one",
    ]);
  });

  test("x86_64: a place that is not zero is one that something writes before", async () => {
    const text =
      "module: x86/modules: Skipping invalid relocation target, existing value is nonzero for type 4, loc 00000000bf3ddb2e, val ffffffffc0a2e000";
    const [only] = because((await explain(text, "--module", "image/not-zero.ko"))[0]);
    expect(only).toMatch(/^1 only: entry 0 of the same table writes there before it/);
  });
});

test("an unknown symbol: all its uses", async () => {
  const [e] = await explain("meminfo_debug: Unknown symbol show_val_kb (err -2)", "--module", meminfo);
  expect(places(e)).toEqual(["68 36 use", "7c 37 use", "ac 40 use"]);
});

test("all of dmesg: equal lines once, noise and notices left out", async () => {
  const dmesg = [
    "[    0.000000] Linux version 6.1.0 (gcc)",
    `[   10.000001] ${nop("38210080")}`,
    "[   10.000002] audit: type=1400 audit(1:2): apparmor=DENIED",
    `[   11.000001] ${nop("38210080")}`,
    "[   12.000000] klp: loading out-of-tree module taints kernel.",
    "[   12.000001] livepatch: symbol 'gone' not found in symbol table",
  ].join("\n");
  expect((await explain(dmesg)).map((e) => e.count)).toEqual([2, 1]);
});

test("notices alone are explained: there is nothing between which they would be noise", async () => {
  const notices = "livepatch: enabling patch 'p'\nlivepatch: 'p': starting patching transition\n";
  expect((await explain(notices)).map((e) => e.count)).toEqual([1, 1]);
});

test("a transition that is stuck is not a notice: which tasks, and what to do", async () => {
  const [e, ...more] = await explain(
    "livepatch: 'p': starting patching transition\nlivepatch: signaling remaining tasks\n",
  );
  expect(more).toEqual([]);
  expect(e?.meaning).toMatch(/^The transition is stuck/);
  for (const word of ["patch_state", "/stack", "/transition", "/enabled", "/force"]) expect(e?.help).toContain(word);
});

test("the words of insmod: asks for dmesg, and lists what check finds", async () => {
  const ran = await klplink(
    ["explain", "--module", meminfo, "insmod: ERROR: could not insert module m.ko: Invalid module format"],
    {
      cwd: fixtures,
    },
  );
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  expect(ran.stdout).toContain("dmesg");
  expect(ran.stdout).toMatch(/`klplink check` finds in meminfo-debug\.o:\n\nerror\[KLP301\]/);
});

test("nothing recognised: status 1, and what to give instead", async () => {
  const ran = await klplink(["explain", "hello"]);
  expect(ran.status).toBe(1);
  expect(ran.stdout).toContain("dmesg | klplink explain");
});

describe("arguments", () => {
  const lines = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await klplink(["explain", "--format", "json", ...args]);
    return (JSON.parse(stdout) as { lines: { line: string }[] }).lines.map((l) => l.line);
  };

  test("each a line", async () => {
    const two = ["m: Unknown symbol f (err -2)", "livepatch: symbol 'g' not found in symbol table"];
    expect(await lines(...two)).toEqual(two);
    expect(await lines("something else", ...two)).toEqual(two);
  });

  test("the words of one line", async () => {
    expect(await lines("m:", "Unknown", "symbol", "f")).toEqual(["m: Unknown symbol f"]);
    expect(await lines("m: disagrees", "about version of symbol g")).toEqual([
      "m: disagrees about version of symbol g",
    ]);
  });

  test("codes, with commas, too", async () => {
    const codesOf = async (...args: string[]): Promise<string[]> =>
      (
        JSON.parse((await klplink(["explain", "--format", "json", ...args])).stdout) as { codes: { code: string }[] }
      ).codes.map((c) => c.code);
    expect(await codesOf("klp301,KLP302")).toEqual(["KLP301", "KLP302"]);
    expect(await codesOf("KLP301,", "KLP302")).toEqual(["KLP301", "KLP302"]);
  });
});

test("a line that is cut: said so, and the calls that check finds", async () => {
  const cut = "module_64: meminfo_debug: Expect noop after relocate, got 382";
  const ran = await klplink(["explain", "--module", meminfo, cut], { cwd: fixtures });
  expect(ran.stdout).toMatch(/cut: +the end of the line is missing.*Expect noop after relocate,\s+got WORD/s);
  const [e] = await explain(cut, "--module", meminfo);
  expect(e?.cut).toBe("{module}: Expect noop after relocate, got {word}");
  expect(places(e)).toEqual(["68 36 possible", "7c 37 possible", "ac 40 possible"]);
  expect((await explain(nop("38210080")))[0]?.cut).toBeNull();
});

test("lines that end in a lone CR", async () => {
  const [a, b] = [nop("38210080"), "livepatch: symbol 'gone' not found in symbol table"];
  expect((await explain(`${a}\r${b}\r\r\n${a}\r`)).map((e) => e.count)).toEqual([2, 1]);
});

test.each([
  ["little endian", Buffer.from([0xff, 0xfe]), (b: Buffer) => b],
  ["big endian", Buffer.from([0xfe, 0xff]), (b: Buffer) => b.swap16()],
])("a file in UTF-16, %s, as Windows tools write it", async (_, mark, order) => {
  const text = Buffer.from(`${nop("38210080")}\r\nm: Unknown symbol f (err -2)\r\n`, "utf16le");
  const ran = await klplink(["explain", "--format", "json"], { input: Buffer.concat([mark, order(text)]) });
  expect((JSON.parse(ran.stdout) as { lines: { line: string }[] }).lines.map((l) => l.line)).toEqual([
    nop("38210080"),
    "m: Unknown symbol f (err -2)",
  ]);
});

test("codes: the whole story, with the kernel's words and an example", async () => {
  const ran = await klplink(["explain", "klp301"]);
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  expect(ran.stdout).toMatch(
    /^error\[KLP301\]: call to show_val_kb has no nop behind it, so the TOC cannot be\nrestored\n\n/,
  );
  expect((await klplink(["explain", "301"])).stdout).toBe(ran.stdout);
  expect((await klplink(["explain", "KLP301"])).stdout).toBe(ran.stdout);
  expect(ran.stdout).toContain("Expect noop after relocate, got WORD");
  const shown = readFileSync(join(root, "test/diag/expected/KLP301.txt"), "utf8");
  expect(ran.stdout).toContain(shown.replace(/^the whole story: .*\n/m, "").trimEnd());
});

test("each code's story begins with a title", async () => {
  const { stdout } = await klplink(["explain", "--format", "json", ...codes]);
  const all = (JSON.parse(stdout) as { codes: { code: string; title: string | null }[] }).codes;
  expect(all.filter(({ title }) => title === null || title === "")).toEqual([]);
});

test("as text, in full", async () => {
  const ran = await klplink(["explain", "--module", meminfo, nop("38210080")], { cwd: fixtures });
  await expect(ran.stdout).toMatchFileSnapshot(join(root, "test/diag/expected/explain.txt"));
});
