// HTML made of templates. What is put into one is text unless it is HTML already, so that no name out of a file becomes HTML.

import { visible } from "../../../base/visible.ts";

/** HTML that is whole: all text in it is escaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Lists are put one behind the other; null is nothing. */
export type Filling = string | number | null | Markup | readonly Filling[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text as HTML, also within quotes of an attribute; hidden characters are made visible. */
const escaped = (text: string): string => visible(text).replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);

function textOf(filling: Filling): string {
  if (filling === null) return "";
  if (filling instanceof Markup) return filling.text;
  if (typeof filling === "string") return escaped(filling);
  if (typeof filling === "number") return String(filling);
  return filling.map(textOf).join("");
}

/** A template of HTML: html`<td>${name}</td>`. Attributes that take a value stand in double quotes. */
export const html = (parts: TemplateStringsArray, ...fillings: readonly Filling[]): Markup =>
  new Markup(parts.map((part, i) => part + textOf(fillings[i] ?? null)).join(""));

/** Words in backticks are code. */
export function withCode(text: string): Markup {
  const parts = text.split(/`([^`]+)`/);
  return new Markup(parts.map((part, i) => (i % 2 === 0 ? escaped(part) : `<code>${escaped(part)}</code>`)).join(""));
}
