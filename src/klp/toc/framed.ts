// Rule S1: whether a function takes all its arguments in registers, so that a frame may be put between it and its caller.

import type { ParameterType, Prototypes } from "../../elf/dwarf/types/prototype.ts";

/** Doublewords of arguments that r3 to r10 hold (ELFv2 ABI 2.2.3.1). */
const IN_REGISTERS = 8;
/** Aggregates up to this size come back in registers; larger ones through a pointer that takes up r3. */
const LARGEST_RESULT = 16;

/**
 * Null if the function called `name` finds no argument in its caller's frame; else why that is not certain. Then none
 * of its sibling calls passes an argument on the stack either: there is no room for one (rule S1).
 */
export function stackArguments(prototypes: Prototypes, name: string): string | null {
  const prototype = prototypes.get(name);
  if (prototype === undefined) return "its parameters are not known: the module has neither DWARF nor BTF for it";
  if (prototype === null)
    return "its parameters are not known: the debug information has several functions of the name";
  if (prototype.isVariadic) return "it takes variable arguments";
  if (!prototype.isPrototyped) return "it has no prototype";
  let total = 0;
  const { result } = prototype;
  if (result !== null && (result.size === null || (result.isAggregate && result.size > LARGEST_RESULT))) total++;
  for (const [i, parameter] of prototype.parameters.entries()) {
    const size = doublewords(parameter, total);
    if (size === null) return `the size of its parameter ${i + 1} is not known`;
    total += size;
  }
  return total <= IN_REGISTERS ? null : `its parameters take ${total} doublewords, and registers hold ${IN_REGISTERS}`;
}

/** Doublewords of the parameter save area, with padding: what may have to be aligned to 16 bytes is taken to be. */
function doublewords({ size }: ParameterType, before: number): number | null {
  if (size === null) return null;
  const padding = size >= 16 && before % 2 !== 0 ? 1 : 0;
  return padding + Math.ceil(size / 8);
}
