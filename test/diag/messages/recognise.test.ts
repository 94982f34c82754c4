import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codesOf, concernOf, lineHelpOf, lineMeaningOf } from "../../../src/diag/messages/define.ts";
import { messages, recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { lineOf } from "./lines.ts";

const lines = readFileSync(new URL("../../fixtures/dmesg/lines.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split("\t") as [string, string]);

test.each(lines)("%s", (line, code) => {
  const found = recogniseLine(line);
  expect(found).not.toBeNull();
  expect((found === null ? undefined : codesOf(found))?.[0] ?? "-").toBe(code);
});

test("the parts of a message are taken apart", () => {
  const fields = (line: string): unknown => recogniseLine(line)?.fields;
  expect(fields("module_64: kpatch_meminfo: Expect noop after relocate, got 3d220000")).toEqual({
    module: "kpatch_meminfo",
    word: "3d220000",
  });
  expect(fields("module_64: m: Expected nop after call, got 7ffffb78 at f.isra.0+0x44/0xc0 [m]")).toEqual({
    module: "m",
    word: "7ffffb78",
    address: "f.isra.0+0x44/0xc0 [m]",
  });
  expect(fields("m: Unknown symbol .klp.sym.vmlinux.f,1 (err -2)")).toEqual({
    module: "m",
    symbol: ".klp.sym.vmlinux.f,1",
    errno: "-2",
  });
  expect(fields("module: overflow in relocation type 10 val ffffffffc0100010 sec 5 idx 12")).toEqual({
    type: "10",
    value: "ffffffffc0100010",
    sectionIndex: "5",
    row: "12",
  });
});

test.each([
  ["insmod: ERROR: could not insert module ./p.ko: Invalid parameters", /^EINVAL .*klp_enable_patch.*KLP440/],
  ["modprobe: ERROR: could not insert 'p': Invalid argument", /^EINVAL .*klp_enable_patch.*KLP440/],
  ["insmod: can't insert 'p.ko': Invalid argument", /^EINVAL /],
  ["Invalid parameters", /^EINVAL /],
  ["insmod: ERROR: could not insert module p.ko: Invalid module format", /^ENOEXEC: /],
  ["modprobe: ERROR: could not insert 'p': Exec format error", /^ENOEXEC: /],
  ["insmod: ERROR: could not insert module p.ko: Unknown symbol in module", /^ENOENT: /],
  ["modprobe: ERROR: could not insert 'p': Unknown symbol in module, or unknown parameter (see dmesg)", /^ENOENT: /],
  ["insmod: ERROR: could not insert module p.ko: Module has wrong symbol version", /^ESRCH\. /],
  ["modprobe: ERROR: could not insert 'p': Key was rejected by service", /^EKEYREJECTED: .*signature/],
  ["modprobe: ERROR: could not insert 'p': Module already in kernel", /^EEXIST: .*KLP441/],
])("%s: the error number, what it means for a livepatch, and a way on", (line, meaning) => {
  const found = recogniseLine(line);
  expect(found?.message.by).toBe("insmod or modprobe");
  expect(found?.message.meaning(found.fields)).toMatch(meaning);
  expect(found?.message.help?.(found.fields)).toMatch(/dmesg \| klplink explain/);
  if (/ p\.ko|'p'|\/p\.ko/.test(line)) expect(found?.message.help?.(found.fields)).not.toMatch(/MODULE\.ko/);
});

describe("a line that ends too early", () => {
  test.each([
    ["module_64: k: Expect noop after relocate", { module: "k" }],
    ["module_64: k: Expect noop after relocate, got 3d2", { module: "k" }],
    ["[   28.412345] k: Expect noop after", { module: "k" }],
    ["k: Expect noop after reloc", { module: "k" }],
    ["k: Expect noop after relocate, go", { module: "k" }],
    ["k: Expect noop after relocate, got 3d2...", { module: "k" }],
    ["k: Expected nop after call, got 3d220000 at f+0x10/0x", { module: "k", word: "3d220000" }],
    [
      "k: Expected nop after call, got 3d220000 at f+0x10/0x20 [k",
      { module: "k", word: "3d220000", address: "f+0x10/0x20" },
    ],
    ["k: Unknown symbol f (err -", { module: "k", symbol: "f" }],
    ["k: disagrees about version of symbol", { module: "k" }],
    ["livepatch: symbol 'f' not found", { symbol: "f" }],
    ["livepatch: failed to initialize patch 'p' for module 'nf", { name: "p" }],
  ])("%s", (line, fields) => {
    const found = recogniseLine(line);
    expect(found?.fields).toEqual(fields);
    expect(found?.cut).toBe(found?.form);
  });

  test.each([
    "overflow in relocation type 10",
    "k: Expect noop",
    "k: Expect noop aft",
    "k: Unknown symbol",
    "livepatch: failed to",
    "Expect noop after relocation",
    "k: Expect noop after relocate, got 3d2z",
  ])("%s: too little, or another one", (line) => {
    expect(recogniseLine(line)).toBeNull();
  });

  test("whole lines are not taken for cut ones", () => {
    for (const [line] of lines) expect(recogniseLine(line)?.cut, line).toBeNull();
  });
});

test("noise is not recognised", () => {
  const noise = [
    "",
    "random: crng init done",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: (null)",
    'audit: type=1400 audit(1700000000.123:45): apparmor="DENIED" operation="open"',
    "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
    "systemd[1]: Started Journal Service.",
    "x".repeat(100_000),
    // Words of messages that could be anyone's, without the module's name.
    "truncated",
    "ACPI: not found",
    "foo: bar",
    "Unknown symbol",
  ];
  expect(noise.filter((line) => recogniseLine(line) !== null)).toEqual([]);
});

test("no line hangs it, whatever the line repeats", () => {
  const parts = ["a: ", "'", "' ", "module: ", "livepatch: ", "symbol '", "x ", "[    1.000000] ", "<3>", "kernel: "];
  for (const part of parts) {
    // A pattern that backtracks without bounds would not come back from the first of these.
    for (let n = 1; n * part.length < 1190; n += 7) expect(() => recogniseLine(part.repeat(n))).not.toThrow();
  }
});

test.each([1, 2, 3])("random lines made of the messages' own parts do no harm, seed %i", (seed) => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...messages.flatMap((m) => m.forms.flatMap((f) => f.split(" ")))), { maxLength: 30 }),
      (words) => {
        const found = recogniseLine(words.join(" "));
        if (found === null) return;
        expect(typeof found.message.meaning(found.fields)).toBe("string");
      },
    ),
    { seed, numRuns: 300 },
  );
});

describe("the table", () => {
  test("each form leads to a row that means the same", () => {
    const wrong = messages.flatMap((m) =>
      m.forms.filter((form) => {
        const found = recogniseLine(lineOf(form));
        return found === null || found.message.by !== m.by;
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("each row says what its lines are about: those about a place tell something to find it by", () => {
    for (const m of messages) {
      for (const form of m.forms) {
        const found = recogniseLine(lineOf(form));
        const concern = found === null ? null : concernOf(found);
        expect(concern, form).toMatch(/^(?:place|file|machine)$/);
        if (concern !== "place") continue;
        // A relocation's type or value, a call's word, an address, a section, or a name; common symbols are found by themselves.
        const told = /\{(?:type|value|number|word|address|section|symbol|name)\}|-fno-common$/;
        expect(told.test(form), form).toBe(true);
      }
    }
  });

  test("cut anywhere, a line is recognised as its own message, or not at all, and its texts are whole", () => {
    let cuts = 0;
    for (const m of messages) {
      for (const form of m.forms) {
        const line = lineOf(form);
        for (let n = 1; n < line.length; n++) {
          const found = recogniseLine(line.slice(0, n));
          if (found?.cut == null) continue;
          cuts++;
          expect(found.message.forms, line.slice(0, n)).toContain(form);
          expect(`${lineMeaningOf(found)} ${lineHelpOf(found) ?? ""}`).not.toMatch(
            /undefined(?! (?:in|symbol|ones))|NaN|\{/,
          );
        }
      }
    }
    expect(cuts).toBeGreaterThan(1000);
  });

  test("meaning and help are whole sentences, whatever parts a line has", () => {
    for (const m of messages) {
      for (const form of m.forms) {
        const fields = recogniseLine(lineOf(form))?.fields ?? {};
        expect(m.meaning(fields)).toMatch(/^\S.*[.)]$/);
        expect(`${m.meaning(fields)} ${m.help?.(fields) ?? ""}`).not.toMatch(/undefined(?! (?:in|symbol|ones))|NaN|\{/);
      }
    }
  });
});
