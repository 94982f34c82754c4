import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BRANCH_REACH, decodeBranch, encodeBranch, opensFrame } from "../../src/stubs/insn.ts";
import { localCallIsland, returnIsland, SIBLING_ISLAND } from "../../src/stubs/island.ts";

// Words from GNU as 2.40 (`powerpc64le-linux-gnu-as`, listing by `objdump -d`): one line of assembler each.
const assembled: readonly (readonly [string, number])[] = [
  ["b .+0xfc", 0x4800_00fc],
  ["b .-0x100", 0x4bff_ff00],
  ["b .+0x1fffffc", 0x49ff_fffc],
  ["b .-0x2000000", 0x4a00_0000],
];

describe("branches", () => {
  test("encoded as the assembler does", () => {
    expect(encodeBranch(0xfc)).toBe(assembled[0]?.[1]);
    expect(encodeBranch(-0x100)).toBe(assembled[1]?.[1]);
    expect(encodeBranch(0x1ff_fffc)).toBe(assembled[2]?.[1]);
    expect(encodeBranch(-0x200_0000)).toBe(assembled[3]?.[1]);
  });

  test("one past each end, and odd distances, throw", () => {
    for (const distance of [0x200_0000, -0x200_0004, 2, 1]) expect(() => encodeBranch(distance)).toThrow();
  });

  test("decoding gives back what was encoded", () => {
    fc.assert(
      fc.property(fc.integer({ min: -BRANCH_REACH / 4, max: BRANCH_REACH / 4 - 1 }), (words) => {
        expect(decodeBranch(encodeBranch(words * 4))).toEqual({
          conditional: false,
          links: false,
          absolute: false,
          displacement: words * 4,
        });
      }),
    );
  });

  test("other forms of branch are told apart", () => {
    // bl .+8; ba 0x100; bla 0x100; beq .-8; bdnzl .+16 (GNU as 2.40)
    expect(decodeBranch(0x4800_0009)).toMatchObject({ links: true, absolute: false, displacement: 8 });
    expect(decodeBranch(0x4800_0102)).toMatchObject({ links: false, absolute: true });
    expect(decodeBranch(0x4800_0103)).toMatchObject({ links: true, absolute: true });
    expect(decodeBranch(0x4182_fff8)).toMatchObject({ conditional: true, links: false, displacement: -8 });
    expect(decodeBranch(0x4200_0011)).toMatchObject({ conditional: true, links: true, displacement: 16 });
    expect(decodeBranch(0x6000_0000)).toBeNull();
  });

  test("words that open a frame", () => {
    // stdu r1,-32(r1); stdu r1,-32768(r1); stdux r1,r1,r0; std r1,-32(r1); stdu r2,-32(r1) (GNU as 2.40)
    expect([0xf821_ffe1, 0xf821_8001, 0x7c21_016a].every(opensFrame)).toBe(true);
    expect([0xf821_ffe0, 0xf841_ffe1, 0x7c21_012a].some(opensFrame)).toBe(false);
  });
});

describe("islands", () => {
  test("a return island for a call at 0x104, island at 0x200", () => {
    // bl . / nop / b .-0x100, as GNU as encodes them.
    expect(returnIsland(0x200, 0x104)).toEqual({
      words: [0x4800_0001, 0x6000_0000, 0x4bff_ff00],
      callAt: 0,
      slotAt: null,
    });
  });

  test("a local-call island saves r2 before the call and takes it back after", () => {
    // std r2,24(r1) / bl . / ld r2,24(r1) / b .-0x104
    expect(localCallIsland(0x200, 0x104)).toEqual({
      words: [0xf841_0018, 0x4800_0001, 0xe841_0018, 0x4bff_fefc],
      callAt: 4,
      slotAt: null,
    });
  });

  test("a sibling island enters its target without a frame and without a store", () => {
    // addis r12,r2,0 / ld r12,0(r12) / mtctr r12 / bctr
    expect(SIBLING_ISLAND.words).toEqual([0x3d82_0000, 0xe98c_0000, 0x7d89_03a6, 0x4e80_0420]);
  });
});
