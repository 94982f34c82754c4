// Which problem of the file belongs to a line, where there are several, or where the line is about no place.

import { describe, expect, test } from "vitest";
import { klplink } from "../run.ts";
import { explain, fixtures } from "./explained.ts";

const SAMPLE = "../../../samples/ppc64le/meminfo";

/** Code of the problem shown with each candidate. */
const codesOf = async (text: string, ...args: string[]): Promise<string[]> =>
  (await explain(text, ...args)).flatMap((e) =>
    e.candidates.map((c) => `${c.offset?.toString(16)} ${c.certainty} ${c.problem?.code ?? "-"}`),
  );

test("a call that is the first use of an unexported symbol, too: the missing nop, not the symbol", async () => {
  const kernel = ["-k", `${SAMPLE}/System.map`, "--module", `${SAMPLE}/meminfo.o`];
  const noNop = "module_64: meminfo: Expected nop after call, got 3c820000 at 0xc0080000000e006c";
  expect(await codesOf(noNop, ...kernel)).toEqual(["68 only KLP301"]);
  const [unknown] = await explain("meminfo: Unknown symbol show_val_kb (err -2)", ...kernel);
  expect(unknown?.problems.map((p) => p.code)).toEqual(["KLP410"]);
});

describe("an unknown symbol", () => {
  const KERNEL = ["-k", "../kernel/vmlinux-x86_64"];
  const line = (name: string, errno = "-2"): string => `demo_patch: Unknown symbol ${name} (err ${errno})`;

  test("all that it can be, without the file", async () => {
    const [e] = await explain(line("f"));
    expect(e?.meaning).toMatch(/neither the kernel nor a loaded module exports it, or .*GPL-compatible/);
    expect(e?.help).toMatch(/makes it a livepatch symbol.*MODULE_LICENSE/);
    const { stdout } = await klplink(["explain", line("f")]);
    for (const code of ["KLP401", "KLP410", "KLP503"]) expect(stdout).toContain(`klplink explain ${code}`);
    expect((await explain(line("f", "-22")))[0]?.meaning).toMatch(/checksum.*namespace/);
  });

  test("only the licence, where the file shows that it is this", async () => {
    const args = ["--module", "broken/KLP503.ko", ...KERNEL, line("klp_enable_patch")];
    const { stdout } = await klplink(["explain", ...args], { cwd: fixtures });
    expect(stdout).toContain("exported for GPL-compatible modules only");
    expect(stdout).not.toMatch(/makes it a livepatch symbol|neither|KLP401/);
  });

  test("a livepatch symbol of the file cannot be it", async () => {
    const doubt = async (file: string, name: string): Promise<string | null | undefined> =>
      (await explain(line(name), "--module", file))[0]?.doubt;
    expect(await doubt("broken/KLP503.ko", "show_one")).toMatch(/\(\.klp\.sym\.vmlinux\.show_one,0\).*before klplink/);
    expect(await doubt("broken/KLP503.ko", "klp_enable_patch")).toBeNull();
    // Its mark is lost: the loader looks the whole name up.
    const undefinedOne = line("klp.sym.vmlinux.show_val_kb,1").replace("demo_patch", "klp_undefined");
    const [e] = await explain(undefinedOne, "--module", "klp-undefined.o");
    expect(e?.doubt).toBeNull();
    expect(e?.candidates.map((c) => c.certainty)).toContain("use");
    expect(e?.help).toContain("ld -r");
    // What livepatch itself says is about livepatch symbols.
    const ofCore = "livepatch: symbol 'show_one' not found in symbol table";
    expect((await explain(ofCore, "--module", "broken/KLP503.ko"))[0]?.doubt).toBeNull();
  });
});

/** What is said of the place of a line. */
async function placeOf(line: string, file: string): Promise<string> {
  const { stdout } = await klplink(["explain", "--module", file, line], { cwd: fixtures });
  return (/^ {2}place: ([\s\S]*?)(?:\n\n|$(?![\s\S]))/m.exec(stdout)?.[1] ?? "").replace(/\s+/g, " ").trim();
}

describe("a file is doubted only where the line says what to look for in it", () => {
  test.each([
    ["Loading of unsigned module is rejected", "file"],
    [
      "module m: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time",
      "file",
    ],
    ["meminfo_debug: version magic '6.1.0 SMP ' should be '6.1.1 SMP '", "file"],
    ["meminfo_debug: doesn't contain .stubs.", "file"],
    ["meminfo_debug: disagrees about version of symbol module_layout", "file"],
    ["meminfo_debug: module is marked as livepatch module, but livepatch support is disabled", "machine"],
    ["livepatch: failed to set ftrace filter for function 'f' (-16)", "machine"],
    ["meminfo_debug: please compile with -fno-common", "place"],
  ])("%s: %s", async (line, concerns) => {
    expect((await explain(line))[0]?.concerns).toBe(concerns);
    const place = await placeOf(line, "meminfo-debug.o");
    expect(place).not.toBe("");
    expect(/is it the file that was loaded/.test(place)).toBe(concerns === "place");
    expect(/as a whole/.test(place)).toBe(concerns === "file");
    expect(/the kernel that runs/.test(place)).toBe(concerns === "machine");
  });

  test("a line of another architecture's kernel", async () => {
    const [e] = await explain("meminfo_debug: Expect noop after relocate, got 3c820000", "--module", "got-arm64.o");
    expect(e?.doubt).toMatch(/^the line is about module/);
    const [f] = await explain("got_arm64: Expect noop after relocate, got 3c820000", "--module", "got-arm64.o");
    expect(f?.doubt).toBe("the line is one of a ppc64le kernel, the file is for arm64");
  });
});

describe("places by what else a line tells", () => {
  test("a section, by number and name", async () => {
    // readelf -S: section 9.
    const line = (name: string): string => `patch: section ${name} (index 9) has invalid WRITE|EXEC flags`;
    const [e] = await explain(line(".text.meminfo_proc_show"), "--module", "meminfo-debug.o");
    expect(e?.candidates.map((c) => [c.section, c.offset, c.certainty])).toEqual([
      [".text.meminfo_proc_show", null, "exact"],
    ]);
    expect((await explain(line(".wx"), "--module", "meminfo-debug.o"))[0]?.candidates).toEqual([]);
  });

  test("common symbols, by their uses", async () => {
    const [e] = await explain("common: please compile with -fno-common", "--module", "image/common.ko");
    expect(e?.candidates.map((c) => c.because)).toEqual(["counter is a common symbol of 8 bytes"]);
  });

  test("a name of the patch's tables, which is text in the file", async () => {
    const [e] = await explain(
      "livepatch: failed to find location for function 'no_site'",
      "--module",
      "broken/KLP442.ko",
    );
    expect(e?.candidates.map((c) => c.section)).toEqual([".rodata.str1.1"]);
  });
});
