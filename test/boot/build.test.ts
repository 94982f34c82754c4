// From a patch to a kernel that runs it: `klplink build` on real sources, for the kernels that were built of them, booted.

import { describe, expect, test } from "vitest";
import { LOADAVG } from "./build/edits.ts";
import { LONG, onEach } from "./build/onEach.ts";
import { targets } from "./build/targets.ts";
import { labOf } from "./lab.ts";

const lab = labOf(import.meta.url);

describe.each(targets.filter((kind) => kind.name !== "x86_64"))("$name", (kind) => {
  const shop = onEach(kind, lab.folder);

  // The rest is the same on each architecture.
  const isFirst = kind.name === "ppc64le";

  test.runIf(isFirst)(
    "a patch of a function whose site the kernel may not find is warned of",
    { timeout: LONG },
    () => {
      const { ran } = shop().livepatch("load", shop().patch("load", LOADAVG));
      expect(ran.stderr).toMatch(/^warning\[KLP603\]: the patch of loadavg_proc_show may/m);
    },
  );
});
