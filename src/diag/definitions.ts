// All codes with their texts. A run that has nothing to say needs none of them: no module may ask for one while it begins.

import * as build from "./codes/build.ts";
import * as diff from "./codes/diff.ts";
import * as diffMeaning from "./codes/diffMeaning.ts";
import * as diffTrees from "./codes/diffTrees.ts";
import * as file from "./codes/file.ts";
import * as fleet from "./codes/fleet.ts";
import * as image from "./codes/image.ts";
import * as later from "./codes/later.ts";
import * as livepatch from "./codes/livepatch.ts";
import * as module from "./codes/module.ts";
import * as patch from "./codes/patch.ts";
import * as relocations from "./codes/relocations.ts";
import * as sites from "./codes/sites.ts";
import * as symbols from "./codes/symbols.ts";
import * as toc from "./codes/toc.ts";
import type { Definition } from "./define.ts";

/** One row a code. Codes are stable: 1xx the file, 2xx relocation, 3xx TOC and calls, 4xx livepatch symbols and sections, 5xx module metadata, 6xx patch sites, 7xx differences between builds, 8xx from a patch to a module, 85x many kernels. */
const rows = {
  ...file,
  ...relocations,
  ...module,
  ...image,
  ...toc,
  ...symbols,
  ...livepatch,
  ...patch,
  ...later,
  ...sites,
  ...diff,
  ...fleet,
  ...diffTrees,
  ...build,
  ...diffMeaning,
};

type Rows = typeof rows;
export type Code = keyof Rows;
export type DataMap = { [C in Code]: Rows[C] extends Definition<infer D> ? D : never };

export const catalogue: { readonly [C in Code]: Definition<DataMap[C]> } = rows;
export const codes = (Object.keys(rows) as Code[]).sort();
