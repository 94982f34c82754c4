// Which problem of the file belongs to a line, where there are several, or where the line is about no place.

import { expect, test } from "vitest";
import { explain } from "./explained.ts";

const SAMPLE = "../../../samples/ppc64le/meminfo";

/** Code of the problem shown with each candidate. */
const codesOf = (text: string, ...args: string[]): string[] =>
  explain(text, ...args).flatMap((e) =>
    e.candidates.map((c) => `${c.offset?.toString(16)} ${c.certainty} ${c.problem?.code ?? "-"}`),
  );

test("a call that is the first use of an unexported symbol, too: the missing nop, not the symbol", () => {
  const kernel = ["-k", `${SAMPLE}/System.map`, "--module", `${SAMPLE}/meminfo.o`];
  const noNop = "module_64: meminfo: Expected nop after call, got 3c820000 at 0xc0080000000e006c";
  expect(codesOf(noNop, ...kernel)).toEqual(["68 only KLP301"]);
});
