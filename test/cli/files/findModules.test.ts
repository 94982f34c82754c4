import { expect, test } from "vitest";
import { findModules } from "../../../src/cli/files/findModules.ts";

test("a file system that the kernel makes up is left out, and is looked at when it is asked for", () => {
  // /dev holds another file system, /dev/shm, as / holds /proc.
  const { skipped } = findModules(["/dev"], ["/dev/shm", "/proc"]);
  expect(skipped).toContainEqual({ path: "/dev/shm", why: "made up by the kernel" });
  expect(findModules(["/dev/shm"], ["/dev/shm"]).skipped).not.toContainEqual(
    expect.objectContaining({ path: "/dev/shm" }),
  );
});
