// Input as Node hands it out: a Buffer, whose slice() is no copy. Nothing may write into it.

import { expect, test } from "vitest";
import { readElf } from "../../src/elf/reader.ts";
import { readModuleFacts } from "../../src/kernel/moduleFacts.ts";
import { link } from "../../src/link.ts";
import { load } from "../helpers.ts";

test.each(["samples/ppc64le/meminfo/meminfo.o", "test/fixtures/rules/move-good.o"])(
  "%s: linked, and its debug information read, from a Buffer: its bytes stay",
  async (path) => {
    const input = Buffer.from(load(path));
    const before = Buffer.from(input);
    const plain = link(new Uint8Array(input), { file: "in.o" });
    await readModuleFacts(readElf(input), null);
    expect(input.equals(before)).toBe(true);
    const { output, changed } = link(input, { file: "in.o" });
    expect(changed).toBe(true);
    expect(input.equals(before)).toBe(true);
    expect(Buffer.from(output ?? []).equals(Buffer.from(plain.output ?? []))).toBe(true);
  },
);
