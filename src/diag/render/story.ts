// The whole story of a code, for `klplink explain CODE` and docs/diagnostics.md.

import { examples } from "klplink:examples";
import type { Definition } from "../define.ts";
import { type Code, catalogue } from "../definitions.ts";
import { inCapitals } from "../messages/define.ts";
import { messages } from "../messages/recognise.ts";
import { type TextStyle, wrap } from "./text.ts";

/** Paragraphs: text that begins in the first column is filled; indented lines stay as they are. */
export function paragraphs(text: string): { readonly isCode: boolean; readonly lines: readonly string[] }[] {
  return text.split(/\n\n+/).map((block) => {
    const lines = block.split("\n");
    return lines.every((l) => /^\s/.test(l)) ? { isCode: true, lines } : { isCode: false, lines: [lines.join(" ")] };
  });
}

/** What the kernel prints for a code, in all its wordings; fields in capitals. */
export function kernelWords(code: Code): string[] {
  return messages.filter((m) => m.codes?.includes(code) === true).flatMap((m) => m.forms.map(inCapitals));
}

/** The title of a code's diagnostic, as its example has it: with that file's names; null without an example. */
export function exampleTitle(code: Code, shown: string | undefined = examples[code]): string | null {
  const lines = shown?.split("\n") ?? [];
  const head = `${(catalogue[code] as Definition<unknown>).level}[${code}]: `;
  const first = lines.findIndex((line) => line.startsWith(head));
  if (first < 0) return null;
  const rest = lines.slice(first + 1);
  // A title of several lines goes on in the fifth column; the place behind it has its arrow in the third.
  const end = rest.findIndex((line) => !/^ {4}\S/.test(line));
  return [lines[first]?.slice(head.length), ...rest.slice(0, end).map((line) => line.trim())].join(" ");
}

export function storyOf(code: Code, style: TextStyle): string {
  const { level, explain } = catalogue[code] as Definition<unknown>;
  const { palette, width } = style;
  const tag = `${level}[${code}]`;
  const title = exampleTitle(code);
  const [first = tag, ...more] = wrap(title === null ? tag : `${tag}: ${title}`, width);
  const head = [palette[level](tag) + palette.strong(first.slice(tag.length)), ...more.map((l) => palette.strong(l))];
  const blocks = [head.join("\n")];
  for (const { isCode, lines } of paragraphs(explain)) {
    blocks.push(lines.flatMap((l) => (isCode ? [l] : wrap(l, width))).join("\n"));
  }
  const words = kernelWords(code);
  if (words.length > 0) {
    blocks.push([palette.strong("The kernel's words for it:"), ...words.map((w) => `  ${w}`)].join("\n"));
  }
  const example = examples[code];
  if (example !== undefined) blocks.push(`${palette.strong("An example:")}\n\n${example}`);
  return blocks.join("\n\n");
}
