import { describe, expect, test } from "vitest";
import { dependsOn } from "../../../src/build/compiled/dependents.ts";

/** As fixdep of 6.1 and of 6.12 wrote them, of fs/proc/version.c, built with O= and in the source's own folder; most of the list left out. */
const out = (
  top: string,
  word = "cmd",
): string => `${word}_fs/proc/version.o := gcc -c -o fs/proc/version.o ${top}fs/proc/version.c

source_fs/proc/version.o := ${top}fs/proc/version.c

deps_fs/proc/version.o := \\
  ${top}include/linux/kconfig.h \\
    $(wildcard include/config/CPU_BIG_ENDIAN) \\
    $(wildcard include/config/FOO) \\
  ${top}include/linux/fs.h \\
  ${top}fs/proc/../internal.h \\
  include/generated/utsrelease.h \\

fs/proc/version.o: $(deps_fs/proc/version.o)

$(deps_fs/proc/version.o):
`;

describe("what kbuild noted of an object", () => {
  const OBJECT = "fs/proc/version.o";
  test.each(["", "../", "/home/a b/linux/".replace(" ", "-"), "/src/fs/"])(
    "names what it was compiled of, below %j",
    (top) => {
      for (const word of ["cmd", "savedcmd"]) {
        const is = (path: string): boolean | null => dependsOn(out(top, word), OBJECT, new Set([path]));
        expect(["fs/proc/version.c", "include/linux/fs.h", "fs/internal.h"].map(is)).toEqual([true, true, true]);
        expect(
          ["linux/fs.h", "arch/x86/include/linux/fs.h", "fs/proc/internal.h", "include/config/FOO"].map(is),
        ).toEqual([false, false, false, false]);
      }
    },
  );
  test("tells nothing without a list", () => {
    for (const text of ["", "cmd_x := y\n", "source_x.o := x.c\n"])
      expect(dependsOn(text, OBJECT, new Set(["x.c"]))).toBe(null);
  });
});
