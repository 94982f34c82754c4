// Forms of option values, for commander: each returns the value or says what the form is.

import { InvalidArgumentError } from "commander";

export function taskCount(value: string): number {
  if (/^[1-4]$/.test(value)) return Number(value);
  throw new InvalidArgumentError("A number from 1 to 4.");
}

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
