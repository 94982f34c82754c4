// Functions that others call by their old parameters.

import { type Signature, signatureText, type TypeTable, type TypeWord } from "../../elf/typeTable.ts";

export interface SignatureChange {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly declared: Signature["declared"];
}

/** What a caller puts into a register, or takes out of one, of a type. */
function passed({ kind, size, word }: TypeWord): string {
  switch (kind) {
    case "pointer":
      return `pointer to ${word.slice(0, -2)}`;
    case "integer":
      return word;
    case "enum":
      return `integer of ${size}`;
    default:
      return `${kind} ${word} ${size}`;
  }
}

/** Whether callers that go by one type serve a function that goes by the other. */
function isPassedAlike(a: TypeWord, b: TypeWord): boolean {
  if (a.kind === "unknown" || b.kind === "unknown") return true;
  const kinds = [a.kind, b.kind];
  // Anything may be behind a pointer to void; an enum is an integer of its size.
  if (a.kind === "pointer" && b.kind === "pointer")
    return a.word === b.word || [a.word, b.word].some((w) => w === "void *" || w === "u8 *" || w === "s8 *");
  if (kinds.includes("enum") && kinds.every((k) => k === "enum" || k === "integer")) return a.size === b.size;
  return passed(a) === passed(b);
}

/** Whether callers of one serve the other, by the types alone. */
function isCalledAlike(a: Signature, b: Signature): boolean {
  return (
    a.isVariadic === b.isVariadic &&
    a.parameters.length === b.parameters.length &&
    a.parameters.every((p, i) => isPassedAlike(p, b.parameters[i] as TypeWord)) &&
    (b.result.kind === "void"
      ? a.result.kind === "void"
      : a.result.kind === "void" || isPassedAlike(a.result, b.result))
  );
}

/** How the parameters or the result of a function changed for its callers; null: they did not, or it is not known. */
export function signatureChange(name: string, orig: TypeTable, patched: TypeTable): SignatureChange | null {
  const [a, b] = [orig.signatures.get(name), patched.signatures.get(name)];
  if (a === undefined || b === undefined || isCalledAlike(a, b)) return null;
  return { name, before: signatureText(name, a), after: signatureText(name, b), declared: b.declared };
}
