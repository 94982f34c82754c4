// What `klplink diff` says of types beyond its diagnostics: in JSON, and with -v where there is nothing to say it of.

import type { DiffResult } from "../../passes/diff/diff.ts";

/** Members of the JSON document. */
export function meaningDocument({ meaning }: DiffResult): Record<string, unknown> {
  const types = meaning?.types ?? null;
  return {
    types: types?.source ?? null,
    layouts: (types?.layouts ?? []).map(({ name, scope, sizes, members, isGrowth, declared }) => ({
      name,
      scope,
      sizes,
      grew: isGrowth,
      members,
      declared,
    })),
    enumerators: (types?.values ?? []).flatMap(({ of, values, declared }) =>
      values.map((v) => ({ enum: of, ...v, declared })),
    ),
  };
}

/** A line for -v; null where types were compared, or nothing changed. */
export const meaningText = ({ meaning, patched }: DiffResult): string | null =>
  meaning === null || meaning.types !== null
    ? null
    : `${patched.path}: structures, enums and parameters are not compared: no debug information (-g) or BTF on both sides`;
