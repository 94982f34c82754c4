// Made-up lines of the forms of messages.

import type { LineField } from "../../../src/diag/messages/define.ts";

/** A value of each field. */
export const VALUES: Readonly<Record<LineField, string>> = {
  module: "mod",
  symbol: "sym",
  word: "3d220000",
  type: "11",
  value: "1f",
  address: "f+0x10/0x40 [mod]",
  errno: "-2",
  section: ".text",
  sectionIndex: "3",
  row: "4",
  object: "obj",
  name: "thing",
  number: "12",
  text: "text",
};

/** A line of a form. */
export const lineOf = (form: string): string => form.replace(/\{(\w+)\}/g, (_, f: LineField) => VALUES[f]);
