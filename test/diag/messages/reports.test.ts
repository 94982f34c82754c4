// Reports as people write them (test/fixtures/dmesg/reports.txt: kinds, wordings and loggers of public reports, with names
// and numbers of our own): the answer is the first line that is neither a notice nor a consequence of another one.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lineHelpOf, lineMeaningOf, type Recognised } from "../../../src/diag/messages/define.ts";
import { recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { causesOf } from "../../../src/diag/messages/together.ts";

interface Report {
  readonly title: string;
  readonly lines: readonly string[];
  readonly says: RegExp;
}

const reports: readonly Report[] = readFileSync(new URL("../../fixtures/dmesg/reports.txt", import.meta.url), "utf8")
  .split(/^## /m)
  .slice(1)
  .map((block) => {
    const [title = "", ...rest] = block.trimEnd().split("\n");
    const says = rest.pop() ?? "";
    if (!says.startsWith("=> ")) throw new Error(`no answer in: ${title}`);
    return { title, lines: rest, says: new RegExp(says.slice(3)) };
  });

/** Lines of the reports that say nothing about a module. */
const OTHER = /cut here|WARNING: CPU/;

function answerOf(lines: readonly Recognised[]): string {
  const causes = causesOf(lines);
  const answer = lines.find((l) => lineHelpOf(l) !== "nothing" && !causes.has(l));
  return answer === undefined ? "" : `${lineMeaningOf(answer)} ${lineHelpOf(answer) ?? ""}`;
}

test("as many reports as were asked for", () => {
  expect(reports.length).toBe(41);
});

test.each(reports)("$title", ({ lines, says }) => {
  const known = lines.map(recogniseLine);
  expect(lines.filter((line, i) => known[i] === null && !OTHER.test(line))).toEqual([]);
  expect(known.filter((l) => l?.cut != null).map((l) => l?.text)).toEqual([]);
  expect(answerOf(known.filter((l) => l !== null))).toMatch(says);
});
