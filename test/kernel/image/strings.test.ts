// The strings that say which kernel it is, among others that look like them.

import { expect, test } from "vitest";
import { findRelease, findVermagic } from "../../../src/kernel/image/strings.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const BANNER = "Linux version 6.1.0-demo (x@y) (gcc) #1 SMP\n\0";

test("the banner is found behind other strings that begin like it, in the same part and in another", () => {
  expect(findRelease([bytes(`Linux version unknown\0${BANNER}`)])).toBe("6.1.0-demo");
  expect(findRelease([bytes("no Linux version \0"), bytes(BANNER)])).toBe("6.1.0-demo");
  expect(findRelease([bytes("Linux version \0")])).toBeNull();
});

test("vermagic is a string of its own, not the begin of another one", () => {
  const vermagic = "6.1.0-demo SMP preempt mod_unload ";
  const find = (text: string): string | null => findVermagic([bytes(text)], "6.1.0-demo");
  expect(find(`in 6.1.0-demo SMP \x006.1.0-demo (x)\0${vermagic}\0`)).toBe(vermagic);
  expect(find(`\0${vermagic}`)).toBeNull();
  expect(find(`\0${vermagic}${"x".repeat(300)}\0`)).toBeNull();
  // Each beginning is looked at once, however far the next NUL is.
  expect(find(`\0${"6.1.0-demo ".repeat(400_000)}`)).toBeNull();
});
