// Forms of option values, for commander: each returns the value or says what the form is.

import { InvalidArgumentError } from "commander";
import type { X86State } from "../passes/image/image.ts";

export function taskCount(value: string): number {
  if (/^[1-4]$/.test(value)) return Number(value);
  throw new InvalidArgumentError("A number from 1 to 4.");
}

/** A number in a range, both ends included. */
export const count =
  (least: number, most: number) =>
  (value: string): number => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : -1;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`A number from ${least} to ${most}.`);
  };

export function address(value: string): bigint {
  if (/^(?:0x)?[0-9a-f]{1,16}$/i.test(value)) return BigInt(`0x${value.replace(/^0x/i, "")}`);
  throw new InvalidArgumentError("A hexadecimal address, as in `0xffffffff81061a40`.");
}

export function sectionAddress(
  value: string,
  before: ReadonlyMap<string, bigint> | undefined,
): ReadonlyMap<string, bigint> {
  const at = value.lastIndexOf("=");
  if (at <= 0) throw new InvalidArgumentError("The form is NAME=ADDRESS, as in `.text=0xffffffffc0400000`.");
  return new Map([...(before ?? []), [value.slice(0, at), address(value.slice(at + 1))]]);
}

export const places = (value: string): readonly string[] => value.split(",").map((place) => place.trim());

const X86_FORM =
  "Any of mitigations=off, returns=plain|thunk|SYMBOL, indirect=plain|retpoline|lfence|depth|its, calls=plain|depth, locks=smp|up, with commas.";
const X86_VALUES: Readonly<Record<string, RegExp>> = {
  returns: /^\w+$/,
  indirect: /^(?:plain|retpoline|lfence|depth|its)$/,
  calls: /^(?:plain|depth)$/,
  locks: /^(?:smp|up)$/,
};

/** What an x86 kernel made of returns, indirect branches and so on; what is not named stays unknown. */
export function x86State(value: string): X86State {
  let state: Record<string, string | null> = { returns: null, indirect: null, calls: null, locks: null };
  for (const part of value.split(",")) {
    const [, key = "", choice = ""] = /^(\w+)=(\w+)$/.exec(part.trim()) ?? [];
    if (key === "mitigations" && choice === "off")
      state = { ...state, returns: "plain", indirect: "plain", calls: "plain" };
    else if (X86_VALUES[key]?.test(choice) === true) state[key] = choice;
    else throw new InvalidArgumentError(X86_FORM);
  }
  return state as unknown as X86State;
}
