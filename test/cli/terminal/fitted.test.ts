// Lines that fit a terminal: broken between words, and nothing else of the text changed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OutputStream } from "../../../src/cli/context.ts";
import { Fitted, fitTerminal } from "../../../src/cli/terminal/fitted.ts";

const shaped = (text: string, columns: number): string => new Fitted().fit(text, columns);

test("a long line goes on below, further right than it began", () => {
  expect(shaped("  = why:    one two three four five\nnext\n", 24)).toBe(
    "  = why:    one two\n      three four five\nnext\n",
  );
});

test("what fits stays as it is, and so does a word that is longer than a line", () => {
  const text = "  a  table   of columns\n\n/a/very/long/path/that/has/no/blank\n";
  expect(shaped(text, 24)).toBe(text);
});

test("a command stays together where a line has room for it, and is continued as shells want it where none has", () => {
  expect(shaped("3 errors, 1 warning; `klplink mod.o` fixes all\n", 40)).toBe(
    "3 errors, 1 warning; `klplink mod.o`\n    fixes all\n",
  );
  expect(shaped("3 errors, 1 warning; `klplink mod.o` fixes all\n", 30)).toBe(
    "3 errors, 1 warning;\n    `klplink mod.o` fixes all\n",
  );
  const broken = shaped("help: `klplink some-module.o -k System.map -o out.o`\n", 30);
  expect(broken).toBe("help: `klplink some-module.o \\\n    -k System.map -o out.o`\n");
});

test("colours take no room and stay with their words", () => {
  expect(shaped("\u001b[1mone\u001b[22m two \u001b[31mthree\u001b[39m\n", 9)).toBe(
    "\u001b[1mone\u001b[22m two\n\u001b[31mthree\u001b[39m\n",
  );
});

test("lines that are redrawn begin anew", () => {
  expect(shaped("12345 78\r12345 78\u001b[1G12345 78", 8)).toBe("12345 78\r12345 78\u001b[1G12345 78");
});

test("a line that is written in parts", () => {
  const fitted = new Fitted();
  expect([fitted.fit("one two three", 20), fitted.fit(" four five\n", 20)].join("")).toBe(
    "one two three four\n    five\n",
  );
});

describe("whatever the text", () => {
  const word = fc.stringMatching(/^[a-z(]{0,2}`?[a-z.-]{1,9}`?[;,]?$/);
  const line = fc
    .tuple(fc.nat(6), fc.array(word, { maxLength: 12 }))
    .map(([n, words]) => " ".repeat(n) + words.join(" "));
  const text = fc.array(line, { maxLength: 6 }).map((lines) => lines.join("\n"));

  test("its words come out in their order, and no line is too long but for one word", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 20, max: 50 }), (given, columns) => {
        const out = shaped(given, columns);
        const wordsOf = (t: string): string[] => t.split(/\s+/).filter((w) => w !== "" && w !== "\\");
        expect(wordsOf(out)).toEqual(wordsOf(given));
        for (const l of out.split("\n")) if (/\S\s+\S/.test(l)) expect(l.length, l).toBeLessThanOrEqual(columns);
      }),
    );
  });
});

test("a stream that is no terminal, and bytes, stay as they are", () => {
  const long = `${"word ".repeat(30)}\n`;
  const made = (isTTY: boolean): { stream: OutputStream; got: (string | Uint8Array)[] } => {
    const got: (string | Uint8Array)[] = [];
    const stream: OutputStream = {
      fd: 1,
      isTTY,
      columns: 40,
      write: (data) => got.push(data) > 0,
      once: () => {},
      off: () => {},
    };
    return { stream: fitTerminal(stream), got };
  };
  const [pipe, terminal] = [made(false), made(true)];
  const bytes = Buffer.from(long);
  for (const { stream } of [pipe, terminal]) {
    stream.write(long);
    stream.write(bytes);
  }
  expect(pipe.got).toEqual([long, bytes]);
  expect(terminal.got[0]).not.toBe(long);
  expect(terminal.got[1]).toBe(bytes);
});
