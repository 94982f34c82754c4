// Modules with one fault each (test/boot/spoiled.ts): the fault is found, and in words of the loader. That they are
// the words of a real kernel is shown by test/boot/image.test.ts and distro.test.ts.

import { describe, expect, test } from "vitest";
import { firstRefusal, kernelOf } from "../../../src/diag/catalogue.ts";
import { addressesOf } from "../../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { spoil } from "../../boot/spoiled.ts";
import { goldenCaptures } from "./captured.ts";
import { imageOf } from "./compare.ts";

const rows = [
  ["ppc64le", "ppc64le-varied"],
  ["ppc64le-pcrel", "ppc64le-pcrel-varied"],
  ["arm64", "arm64-own"],
  ["x86_64", "x86_64-own"],
] as const;

describe.each(rows)("%s", (arch, name) => {
  const golden = goldenCaptures().find((g) => g.name === name);
  if (golden === undefined) throw new Error(`${name} is missing`);
  const kernel = addressesOf(parseSymbols(Buffer.from(`${golden.kallsyms}\n`), "kallsyms"));
  const run = (bytes: Uint8Array): ReturnType<typeof imageOf> => imageOf(bytes, golden.captured, kernel);

  test("the good module has no fault", () => expect(run(golden.module).problems).toEqual([]));

  test.each([...spoil(arch, golden.module)])("%s", (module, { what, bytes }) => {
    const { problems } = run(bytes);
    const first = firstRefusal(problems);
    expect(first?.code, what).toMatch(/^KLP(?:201|203|204|206|207|301|401)$/);
    expect(first === null ? "" : kernelOf(first), what).toMatch(
      /^(?:module_64: |Modules: |module: |module (?=s\d+x: )|s\d+x: )/,
    );
    if (!/not zero/.test(what)) expect(first === null ? "" : kernelOf(first), what).toContain(module);
  });
});
