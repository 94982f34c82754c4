// Each relocation type against what GNU ld makes of it (test/golden/reloc, made by make.mjs there). Where the kernel
// accepts more or less than the ABI, the difference stands below by name, so that no other one goes unseen.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { OrderedView } from "../../src/base/bytes.ts";
import { arm64, arm64OtherNames } from "../../src/reloc/arm64.ts";
import { type RelocDef, type RelocTable, relocName, relocTable } from "../../src/reloc/def.ts";
import { ppc64le, ppc64leOtherNames } from "../../src/reloc/ppc64le.ts";
import { evaluate, store, verdict } from "../../src/reloc/value.ts";
import { x86_64, x86_64OtherNames } from "../../src/reloc/x86_64.ts";
import { rewriteEntry } from "../../src/stubs/ppc64le.ts";

interface Case {
  readonly name: string;
  readonly P: string;
  readonly S: string;
  readonly toc?: string;
  readonly in: string;
  /** null: ld refuses the value; "veneer": ld goes round, its verdict says nothing. */
  readonly out: string | null;
}

/** What ld refuses and the kernel takes: it checks nothing, or less. */
const KERNEL_TAKES_MORE: Readonly<Record<string, readonly string[]>> = {
  R_PPC64_ADDR32: ["past the lowest", "past the highest"],
  R_PPC64_TOC16_HA: ["past the lowest", "past the highest"],
  R_PPC64_REL16_HA: ["past the lowest", "past the highest"],
  R_PPC64_GOT_PCREL34: ["past the lowest", "past the highest"],
  R_X86_64_PC32: ["past the lowest", "past the highest"],
  R_X86_64_PLT32: ["past the lowest", "past the highest"],
  // arm64 drops low bits without looking at them.
  R_AARCH64_LD_PREL_LO19: ["misaligned by 1", "misaligned by 2"],
  R_AARCH64_LDST16_ABS_LO12_NC: ["misaligned by 1"],
  R_AARCH64_LDST32_ABS_LO12_NC: ["misaligned by 1", "misaligned by 2"],
  R_AARCH64_LDST64_ABS_LO12_NC: ["misaligned by 1", "misaligned by 2"],
  R_AARCH64_LDST128_ABS_LO12_NC: ["misaligned by 1", "misaligned by 2"],
};

/**
 * What ld takes and the kernel refuses. For data the ABI allows signed and unsigned values, the kernel one of them;
 * on ppc64le the kernel looks at low bits that ld cuts off.
 */
const KERNEL_TAKES_LESS: Readonly<Record<string, readonly string[]>> = {
  R_AARCH64_ABS32: ["lowest"],
  R_AARCH64_ABS16: ["lowest"],
  R_AARCH64_PREL32: ["highest"],
  R_AARCH64_PREL16: ["highest"],
  R_PPC64_REL24: ["misaligned by 1", "misaligned by 2"],
  R_PPC64_REL24_NOTOC: ["misaligned by 1", "misaligned by 2"],
  R_PPC64_TOC16_DS: ["misaligned by 1", "misaligned by 2"],
  R_PPC64_TOC16_LO_DS: ["misaligned by 1", "misaligned by 2"],
};

const arches: readonly [string, readonly RelocDef[], RelocTable][] = [
  ["ppc64le", ppc64le, relocTable(ppc64le, ppc64leOtherNames)],
  ["arm64", arm64, relocTable(arm64, arm64OtherNames)],
  ["x86_64", x86_64, relocTable(x86_64, x86_64OtherNames)],
];

const golden = (arch: string): Record<string, Case[]> =>
  JSON.parse(readFileSync(new URL(`../golden/reloc/${arch}.json`, import.meta.url), "utf8")) as Record<string, Case[]>;

/** What the loader makes of a case: the bytes, or its refusal. */
function apply(def: RelocDef, c: Case): { bytes: string; refusal: string | null } {
  const bytes = Buffer.from(c.in, "hex");
  const view = new OrderedView(bytes, true);
  const toc = BigInt(c.toc ?? 0);
  if (def.hook === "entry") {
    rewriteEntry(view, 0, BigInt(c.P), toc);
    return { bytes: bytes.toString("hex"), refusal: null };
  }
  const value = evaluate(def.value, BigInt(c.S), 0n, BigInt(c.P), toc);
  store(def, view, 0, value);
  return { bytes: bytes.toString("hex"), refusal: verdict(def, value) };
}

describe.each(arches)("%s", (arch, rows, table) => {
  const cases = golden(arch);

  test("every type has golden values, and every golden value a type", () => {
    const names = new Set(rows.map((r) => r.name));
    expect(Object.keys(cases).sort()).toEqual([...names].sort());
    for (const [name, list] of Object.entries(cases)) expect(list.length, name).toBeGreaterThanOrEqual(5);
  });

  test("types are unique, and no slice crosses bit 32 of the value or leaves its word", () => {
    expect(new Set(rows.map((r) => r.type)).size).toBe(rows.length);
    for (const type of table.otherNames.keys()) expect(table.defs.get(type)).toBeUndefined();
    for (const { name, field, bytes } of rows) {
      expect([0, bytes], name).toContain(field.bytes);
      for (const s of field.slices) {
        expect(Math.floor(s.from / 32), name).toBe(Math.floor((s.from + s.width - 1) / 32));
        expect(s.at + s.width, name).toBeLessThanOrEqual(field.bytes === 2 ? 16 : 32);
      }
    }
  });

  for (const def of rows) {
    describe(`${def.name} (${def.type})`, () => {
      test.each(cases[def.name] ?? [])("$name", (c) => {
        const { bytes, refusal } = apply(def, c);
        const more = KERNEL_TAKES_MORE[def.name]?.includes(c.name) === true;
        const less = KERNEL_TAKES_LESS[def.name]?.includes(c.name) === true;
        if (c.out === null) {
          expect(more ? [null] : ["overflow", "misaligned"]).toContain(refusal);
        } else if (c.out === "veneer") {
          expect(c.name).toMatch(/^past/);
          expect(refusal).toBe("overflow");
        } else {
          expect(bytes).toBe(c.out);
          expect(refusal).toBe(less ? (/^mis/.test(c.name) ? "misaligned" : "overflow") : null);
        }
      });
    });
  }

  test("a type that the loader does not know keeps the ABI's name", () => {
    for (const [type, name] of table.otherNames) expect(relocName(table, type)).toBe(name);
    expect(relocName(table, 0xfff_ffff)).toBe("type 268435455");
  });
});
