import { expect, test } from "vitest";
import { fromLatin1 } from "../../../src/base/bytes.ts";
import { StringTable } from "../../../src/elf/views/strings.ts";

test("names of any length, up to NUL or the table's end; compared without being made", () => {
  const long = "n".repeat(300);
  const names = ["", "a", "klp_enable_patch", "x".repeat(63), "y".repeat(64), "z".repeat(65), long];
  const table = new StringTable(fromLatin1(`${names.join("\0")}`));
  let start = 0;
  for (const name of names) {
    expect([table.at(start), table.lengthAt(start)]).toEqual([name, name.length]);
    expect(table.is(start, name)).toBe(true);
    expect([table.is(start, `${name}x`), name !== "" && table.is(start, name.slice(0, -1))]).toEqual([false, false]);
    expect(table.startsWith(start, name)).toBe(true);
    start += name.length + 1;
  }
  expect([table.at(start), table.lengthAt(start), table.is(start, ""), table.is(start, "a")]).toEqual([
    "",
    0,
    true,
    false,
  ]);
});

test("what the table does not hold is not found again, with anything about it; what it holds is", () => {
  const table = new StringTable(fromLatin1("\0printk\0klp\0"));
  for (let again = 0; again < 2; again++) {
    expect([table.holds("livepatch"), table.holds("a_livepatch_symbol"), table.holds("klp_")]).toEqual([
      false,
      false,
      false,
    ]);
    expect(["klp", "printk", "int", "\0klp\0", "live", ""].map((text) => table.holds(text))).toEqual([
      true,
      true,
      true,
      true,
      false,
      true,
    ]);
  }
  for (let i = 0; i < 200; i++) expect(table.holds(`missing ${i}`)).toBe(false);
  expect(table.holds("print")).toBe(true);
});
