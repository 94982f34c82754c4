// `klplink build` for Debian's x86_64 kernel, from its source package's tar file, with what a machine has below / of that kernel.

import { describe } from "vitest";
import { onEach } from "./build/onEach.ts";
import { targets } from "./build/targets.ts";
import { labOf } from "./lab.ts";

const lab = labOf(import.meta.url);

describe.each(targets.filter((kind) => kind.name === "x86_64"))("$name", (kind) => {
  onEach(kind, lab.folder);
});
