import { describe, expect, test } from "vitest";
import { usersOf } from "../../src/build/objects.ts";

/** Sources that may include a header of a small tree. What a compiler finds for an #include: C11 6.10.2, gcc's search order. */
const tree: Readonly<Record<string, string>> = {
  "fs/proc/internal.h": "",
  "fs/internal.h": "",
  "fs/proc/version.c": '#include <linux/fs.h>\n#include "internal.h"\n',
  "fs/dcache.c": '#include "internal.h"\n',
  "fs/proc/sub/x.c": '#include "../internal.h"\n',
  "include/linux/fs.h": "#ifdef X\n#  include <linux/deep.h>\n#endif\n#include <asm/word.h>\n",
  "include/linux/deep.h": "#include <linux/fs.h>\n",
  "include/asm-generic/word.h": "",
  "arch/x86/include/asm/own.h": "",
  "drivers/a.c": "#include <asm/own.h>\n#include <priv.h>\n",
  "drivers/inc/priv.h": "",
  "drivers/b.c": "// nothing\n",
  "lib/table.c": '#include "rows.c"\n',
  "lib/rows.c": "",
};
const users = (...headers: string[]): string[] => {
  const objects = Object.keys(tree)
    .filter((path) => path.endsWith(".c") && path !== "lib/rows.c")
    .map((path) => path.replace(/c$/, "o"));
  return usersOf(headers, objects, "arch/x86", (path) => tree[path] ?? null);
};

describe("who includes a header", () => {
  test.each([
    ["beside it, not one of its name elsewhere", "fs/proc/internal.h", ["fs/proc/version.c", "fs/proc/sub/x.c"]],
    ["in the folder above", "fs/internal.h", ["fs/dcache.c"]],
    ["through another, under a condition, in a circle", "include/linux/deep.h", ["fs/proc/version.c"]],
    ["asm/ of all architectures", "include/asm-generic/word.h", ["fs/proc/version.c"]],
    ["asm/ of this one", "arch/x86/include/asm/own.h", ["drivers/a.c"]],
    ["from a folder that a makefile adds", "drivers/inc/priv.h", ["drivers/a.c"]],
    ["a source as well", "lib/rows.c", ["lib/table.c"]],
  ])("%s", (_, header, expected) => {
    expect(users(header).sort()).toEqual([...expected].sort());
  });

  test("everything has what the command line includes", () => {
    expect(users("include/linux/kconfig.h")).toHaveLength(6);
  });
});
