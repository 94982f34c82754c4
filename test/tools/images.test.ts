// What other tools make of an image: objdump and gdb show the code that runs, at its addresses, with the names of what it
// calls. The images are those of captures (test/golden/image), so their bytes are the kernel's.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { imageElf } from "../../src/imageOutput.ts";
import { addressesOf } from "../../src/kernel/addresses.ts";
import { parseSymbols } from "../../src/kernel/parseSymbols.ts";
import { goldenCaptures } from "../image/captured.ts";
import { imageOf, MITIGATIONS_OFF } from "../image/compare.ts";

const folder = mkdtempSync(join(tmpdir(), "klplink-images-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, debian: string, ...args: string[]): string {
  const { stdout, stderr, status, error } = spawnSync(command, args, {
    encoding: "latin1",
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error !== undefined) throw new Error(`${command} not found: apt-get install ${debian}`);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

const objdumps = {
  ppc64le: ["powerpc64le-linux-gnu-objdump", "binutils-powerpc64le-linux-gnu"],
  x86_64: ["x86_64-linux-gnu-objdump", "binutils-x86-64-linux-gnu"],
  arm64: ["aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu"],
} as const;
describe.each(["ppc64le", "x86_64", "arm64"] as const)("%s", (arch) => {
  const golden = goldenCaptures().find((g) => g.name === `${arch}-late`);
  if (golden === undefined) throw new Error(`test/golden/image/${arch}-late is missing`);
  const kernel = addressesOf(parseSymbols(Buffer.from(`${golden.kallsyms}\n`), "kallsyms"));
  const options = { stage: "loaded", late: golden.objects, x86: MITIGATIONS_OFF } as const;
  const { image } = imageOf(golden.module, golden.captured, kernel, options);
  if (image === null) throw new Error("no image");
  const path = join(folder, `${arch}.elf`);
  writeFileSync(path, imageElf(image));
  const addressOf = (name: string): string => {
    const i = Array.from({ length: image.symbols.count }, (_, k) => k).find((k) => image.symbols.name(k) === name) ?? 0;
    return (image.values[i] ?? 0n).toString(16).padStart(16, "0");
  };
  const address = addressOf("late_new_answer");
  // A call of the function of the module that came later: on ppc64le through the stub that was made for it.
  const late = addressOf(".klp.sym.late_target.late_hidden,0");
  const call =
    arch === "ppc64le"
      ? /\bbl\s.*<\.klp\.sym\.late_target\.late_hidden,0@stub>/
      : new RegExp(`\\b(?:bl|call)\\s+(?:0x)?${late}\\b`);

  test("objdump shows the code at its address, and the late call", () => {
    const [command, debian] = objdumps[arch];
    const text = run(command, debian, "-d", path);
    expect(text).toContain(`${address} <late_new_answer>:`);
    const body = text.slice(text.indexOf("<late_new_answer>:")).split("\n\n")[0] ?? "";
    expect(body.split("\n").filter((line) => call.test(line))).toHaveLength(2);
  });

  test("gdb shows the same function, and knows the symbol at its address", () => {
    const ask = ["-batch", "-nx", "-ex", `info symbol 0x${address}`, "-ex", "disassemble late_new_answer"];
    const text = run("gdb-multiarch", "gdb-multiarch", ...ask, path);
    expect(text).toMatch(/^late_new_answer in section \.text/m);
    expect(text.split("\n").filter((line) => call.test(line))).toHaveLength(2);
    expect(text).not.toContain("Cannot access memory");
  });
});
