import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ElfError } from "../../../src/elf/error.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { nameWithoutExports } from "../../../src/kernel/module/glance.ts";
import { ModuleFile } from "../../../src/kernel/module/moduleFile.ts";
import { root } from "../../helpers.ts";

const partsOf =
  (bytes: Uint8Array) =>
  (start: number, length: number): Uint8Array =>
    bytes.subarray(start, start + length);
const fixture = (path: string): Uint8Array => readFileSync(join(root, "test/fixtures", path));

// tree/make.sh has the names and the exports in its source.
describe("a glance at a module", () => {
  test("tells the name in struct module of one that exports nothing", () => {
    expect(nameWithoutExports(partsOf(fixture("tree/user.ko")))).toBe("tree_user");
  });

  test.each(["exporter.ko", "exporter-stripped.ko"])("leaves %s, which exports, to be read whole", (name) => {
    expect(nameWithoutExports(partsOf(fixture(`tree/${name}`)))).toBeNull();
  });

  test("leaves a file that has a symbol like an entry of the table, wherever that stands", () => {
    const bytes = Buffer.from(fixture("tree/user.ko"));
    const at = bytes.indexOf("\0init_module\0");
    expect(at).toBeGreaterThan(0);
    bytes.write("__ksymtab_a", at + 1, "latin1");
    expect(nameWithoutExports(partsOf(bytes))).toBeNull();
  });

  test("any bytes: what it tells, the whole file tells, too, where it can be read", () => {
    const bytes = fixture("tree/user.ko");
    const headers = Number(Buffer.from(bytes).readBigUInt64LE(40));
    const said = { name: 0, nothing: 0, unreadable: 0 };
    const compare = (damaged: Uint8Array): void => {
      const name = nameWithoutExports(partsOf(damaged));
      const whole = moduleIn(damaged);
      said[name === null ? "nothing" : whole === null ? "unreadable" : "name"]++;
      if (name !== null && whole !== null)
        expect({ name, exports: [] }).toEqual({ name: whole.name, exports: [...whole.exports.keys()] });
    };
    for (let at = 0; at < bytes.length; at += at < 64 || at >= headers ? 1 : 97) {
      for (const value of [0, 0x7f, 0xff]) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = value;
        compare(damaged);
      }
      compare(bytes.subarray(0, at));
    }
    // None of the three is a rare case.
    expect(Math.min(...Object.values(said))).toBeGreaterThan(50);
  });
});

/** Null for a file that cannot be read. */
function moduleIn(bytes: Uint8Array): ModuleFile | null {
  try {
    return new ModuleFile(readElf(bytes), "user.ko");
  } catch (error) {
    expect(error).toBeInstanceOf(ElfError);
    return null;
  }
}
