// Any bytes are safe input to the image pass: mutated modules give an image or diagnostics, nothing else.
// KLPLINK_FUZZ_RUNS and KLPLINK_FUZZ_SEED as for test/fuzz.

import { expect, test } from "vitest";
import { titleOf } from "../../../src/diag/catalogue.ts";
import { addressesOf } from "../../../src/kernel/running/addresses.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { image } from "../../../src/passes/image/image.ts";
import { imageElf, mapText, rawFiles } from "../../../src/passes/image/output.ts";
import { Unusable } from "../../../src/passes/input.ts";
import { mutate } from "../../fuzz/mutate.ts";
import { goldenCaptures } from "./captured.ts";

const runs = Number(process.env.KLPLINK_FUZZ_RUNS ?? 2000);
const firstSeed = Number(process.env.KLPLINK_FUZZ_SEED ?? 1);
const samples = goldenCaptures();

test(`${runs} mutated modules`, () => {
  const reached = { unusable: 0, refused: 0, made: 0 };
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const sample = samples[seed % samples.length];
    if (sample === undefined) throw new Error("no captures");
    const bytes = mutate(sample.module, seed);
    const kernel = addressesOf(parseSymbols(Buffer.from(`${sample.kallsyms}\n`), "kallsyms"));
    const placement = { bases: new Map(), sections: new Map(), percpu: null };
    try {
      const stage = seed % 2 === 0 ? "loaded" : "relocated";
      const result = image(bytes, {
        file: "in.ko",
        kernel,
        placement,
        stage,
        late: ["snd"],
        erratum843419: seed % 3 === 0,
      });
      for (const p of result.problems) titleOf(p);
      if (result.image === null) {
        expect(result.problems.length).toBeGreaterThan(0);
        reached.refused++;
        continue;
      }
      const elf = imageElf(result.image);
      rawFiles(result.image);
      const map = mapText(result.image);
      reached.made++;
      if (elf.length + map.length > 64 * bytes.length + (1 << 20))
        throw new Error(`${elf.length} bytes, ${map.length} characters`);
    } catch (error) {
      if (!(error instanceof Unusable)) throw new Error(`seed ${seed} of ${sample.name}`, { cause: error });
      reached.unusable++;
    }
  }
  for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(0);
});
