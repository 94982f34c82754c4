import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../helpers.ts";

/** An example of docs/api.md: what it is about, its text, and what it prints. */
export interface ApiExample {
  readonly title: string;
  readonly code: string;
  readonly output: string;
}

export function apiExamples(): ApiExample[] {
  const text = readFileSync(join(root, "docs/api.md"), "utf8");
  const found = text.matchAll(/^### (.*)\n\n```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```$/gm);
  return [...found].map(([, title = "", code = "", output = ""]) => ({ title, code, output }));
}
