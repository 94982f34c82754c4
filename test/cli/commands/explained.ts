// Runs `klplink explain --format json` and holds what it prints to the schema.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "vitest";
import { root } from "../../helpers.ts";
import { klplink } from "../run.ts";

export const fixtures = join(root, "test/fixtures/diag");

export interface Explained {
  readonly count: number;
  readonly cut: string | null;
  readonly doubt: string | null;
  readonly concerns: string;
  readonly meaning: string;
  readonly help: string | null;
  readonly problems: readonly { readonly code: string }[];
  readonly more: number;
  readonly decoded: readonly string[];
  readonly candidates: readonly {
    readonly certainty: string;
    readonly because: string;
    readonly section: string | null;
    readonly offset: number | null;
    readonly source: readonly { readonly file: string; readonly line: number }[];
    readonly problem: { readonly code: string } | null;
  }[];
}

const schemaOf = (name: string): object => JSON.parse(readFileSync(join(root, "docs", name), "utf8")) as object;
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });
ajv.addSchema(schemaOf("diagnostics.schema.json"), "diagnostics.schema.json");
/** Whether a document keeps to docs/explain.schema.json. */
export const isExplanation = ajv.compile(schemaOf("explain.schema.json"));

/** What `klplink explain` says of some lines, in the folder of the fixtures. */
export async function explain(input: string, ...args: string[]): Promise<Explained[]> {
  const ran = await klplink(["explain", "--format", "json", ...args, "-"], {
    cwd: fixtures,
    input: Buffer.from(input),
  });
  expect(ran.stderr).toBe("");
  const document: unknown = JSON.parse(ran.stdout);
  expect(isExplanation(document) ? [] : isExplanation.errors).toEqual([]);
  return (document as { lines: Explained[] }).lines;
}
