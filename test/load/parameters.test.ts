// Parameters and livepatches that are there when a module is loaded. What values become is what the kernel's admin guide and
// kernel/params.c of 6.12 say of each type (kstrtoint with base 0, kstrtobool, commas in arrays, a copied string).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { titleOf } from "../../src/diag/catalogue.ts";
import { addressesOf } from "../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../src/kernel/symbols/parseSymbols.ts";
import type { GivenParameter } from "../../src/load/facts.ts";
import { type ImageOptions, image } from "../../src/passes/image/image.ts";
import { patchedNames } from "../../src/passes/patchedBy.ts";

const folder = join(import.meta.dirname, "../fixtures/diag/image");
const bytes = new Uint8Array(readFileSync(join(folder, "params.ko")));
const kernel = addressesOf(parseSymbols(readFileSync(join(folder, "params.map")), "params.map"));

function loaded(options: Pick<ImageOptions, "parameters" | "patched">) {
  const { image: made, problems } = image(bytes, {
    file: "params.ko",
    kernel,
    placement: { bases: new Map(), sections: new Map(), percpu: null },
    kernelVersion: { major: 6, minor: 12 },
    stage: "loaded",
    ...options,
  });
  const section = (name: string) => made?.sections.find((s) => s.name === name);
  const unknown = (name: string) =>
    (made?.unknown ?? [])
      .filter((u) => u.section === section(name)?.index)
      .map((u) => `${u.start.toString(16)}-${u.end.toString(16)}`);
  return {
    problems: problems.map((p) => `${p.code} ${titleOf(p)}`),
    data: Buffer.from(section(".data")?.bytes ?? []),
    text: Buffer.from(section(".text")?.bytes ?? []),
    unknown,
  };
}
const given = (...texts: string[]): readonly GivenParameter[] =>
  texts.map((text) => {
    const [name = "", value] = text.split("=");
    return { name, value: value ?? null };
  });

describe("parameters", () => {
  test("each type is written as the kernel writes it", () => {
    const { problems, data, unknown } = loaded({
      parameters: given("level=-0x10", "debug", "ports=80,0443", "label=eth0", "path=/tmp"),
      patched: [],
    });
    expect(problems).toEqual([]);
    expect(data.readInt32LE(0)).toBe(-16);
    expect(data[4]).toBe(1);
    expect([6, 8, 10].map((at) => data.readUInt16LE(at))).toEqual([80, 0o443, 3]);
    expect(data.readUInt32LE(12)).toBe(2);
    // strcpy: what is behind the text's end stays.
    expect(data.toString("latin1", 16, 24)).toBe("eth0\0lt\0");
    // The text of a charp is allocated.
    expect(unknown(".data")).toEqual(["18-20"]);
  });

  test("none was given: nothing changes, and all is known", () => {
    const { data, unknown } = loaded({ parameters: [], patched: [] });
    expect(data.readInt32LE(0)).toBe(5);
    expect(data.toString("latin1", 16, 24)).toBe("default\0");
    expect(unknown(".data")).toEqual([]);
  });

  test("not known: the place of each is listed, and all data where a parameter has functions of its own", () => {
    const { data, unknown } = loaded({ patched: [] });
    expect(data.readInt32LE(0)).toBe(5);
    expect(unknown(".data")).toEqual(["0-4", "4-5", "6-c", "c-10", "10-18", "18-20", "0-44"]);
  });

  test.each([
    ["level=0x80000000", "KLP226 the value of parameter level is not one that it takes: `0x80000000`"],
    ["level=", "KLP226 the value of parameter level is not one that it takes: ``"],
    ["level=08", "KLP226 the value of parameter level is not one that it takes: `08`"],
    ["debug=maybe", "KLP226 the value of parameter debug is not one that it takes: `maybe`"],
    ["ports=1,2,3,4", "KLP226 the value of parameter ports is not one that it takes: `1,2,3,4`"],
    ["ports=-1", "KLP226 the value of parameter ports is not one that it takes: `-1`"],
    ["label=12345678", "KLP226 the value of parameter label is too long: `12345678`"],
    ["levle=1", "KLP225 params has no parameter levle"],
  ])("%s is refused", (text, said) => {
    expect(loaded({ parameters: given(text), patched: [] }).problems).toEqual([said]);
  });
});

describe("a livepatch in force", () => {
  const names = (file: string) => patchedNames(new Uint8Array(readFileSync(join(folder, file))), file, "params");

  test("the site that it patches is a call, to what is not known", () => {
    const patched = names("patches-params.ko");
    expect(patched).toEqual([{ name: "traced", position: 0 }]);
    const { problems, text, unknown } = loaded({ parameters: [], patched });
    expect(problems).toEqual([]);
    expect(text[0]).toBe(0xe8);
    expect(unknown(".text")).toEqual(["1-5"]);
  });

  test("without one the site is a nop; not known, it is listed", () => {
    const without = loaded({ parameters: [], patched: [] });
    expect(without.text.subarray(0, 5).toString("hex")).toBe("0f1f440000");
    expect(without.unknown(".text")).toEqual([]);
    expect(loaded({ parameters: [] }).unknown(".text")).toEqual(["0-5"]);
  });

  test("a function without a site is refused", () => {
    expect(loaded({ parameters: [], patched: names("patches-plain.ko") }).problems).toEqual([
      "KLP227 plain of params, which the livepatch replaces, has no patch site that can be found",
    ]);
  });
});
