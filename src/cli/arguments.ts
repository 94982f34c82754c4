// Forms of option values, for commander: each returns the value or says what the form is.

import { InvalidArgumentError } from "commander";
import type { LivepatchStack } from "../kernel/image/livepatchStack.ts";
import { type KernelVersion, parseKernelVersion } from "../kernel/version.ts";
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

export function shard(value: string): { index: number; of: number } {
  const [, index = "", of = ""] = /^(\d{1,6})\/(\d{1,6})$/.exec(value) ?? [];
  if (Number(index) < 1 || Number(index) > Number(of)) throw new InvalidArgumentError("The form is I/N, as in `1/4`.");
  return { index: Number(index), of: Number(of) };
}

export function livepatchStack(value: string): LivepatchStack {
  const match = /^(0x[0-9a-f]{1,8}|-?\d{1,9}),(0x[0-9a-f]{1,8}|-?\d{1,9})$/i.exec(value);
  if (match === null) throw new InvalidArgumentError("The form is PACA,THREAD_INFO, as in `2312,16`.");
  return { threadInfo: Number(match[1]), stackPointer: Number(match[2]) };
}

/** `[MODULE:]NAME=N`, added to those before. */
export function position(value: string, before: ReadonlyMap<string, number> | undefined): ReadonlyMap<string, number> {
  const match = /^(.+)[=,](\d{1,9})$/.exec(value);
  if (match === null) throw new InvalidArgumentError("The form is NAME=N, as in `show_val_kb=2`.");
  return new Map([...(before ?? []), [match[1] ?? "", Number(match[2])]]);
}

export function kernelVersion(value: string): KernelVersion {
  const version = parseKernelVersion(value);
  if (version === null) throw new InvalidArgumentError("The form is MAJOR.MINOR, as in `6.1` or `6.12.107-1`.");
  return version;
}
