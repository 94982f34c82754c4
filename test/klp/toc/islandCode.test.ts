import { expect, test } from "vitest";
import { islandForms } from "../../../src/klp/toc/islandCode.ts";

test("an island has the size of its code, wherever it stands and wherever the stack is", () => {
  // Instructions of each kind as docs/islands.md shows them, 4 bytes each.
  const sizes = { return: 12, sibling: 16, framed: 36, "local-call": 16, "klp-stub": 108 };
  for (const [kind, size] of Object.entries(sizes)) {
    const form = islandForms[kind as keyof typeof islandForms];
    expect([kind, form.size]).toEqual([kind, size]);
    for (const [at, site] of [
      [0, 0],
      [0x40, 0x10],
      [0x1f_fff0, 4],
    ] as const)
      for (const stack of [null, { threadInfo: 0x7ff8, stackPointer: 0x7ff8 }])
        expect(form.codeAt(at, site, stack).words.length * 4).toBe(size);
  }
});
