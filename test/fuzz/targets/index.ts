// All targets of the fuzz tests, by the name that `npm run fuzz` takes. One more: a row in one of these tables, or a file of its own.

import type { Target } from "../frame/target.ts";
import { buildTargets } from "./build.ts";
import { commandTargets } from "./commands.ts";
import { dataTargets } from "./data.ts";
import { fleetTargets } from "./fleet.ts";
import { kernelFileTargets } from "./kernelFiles.ts";
import { objectTargets } from "./objects.ts";
import { treeTargets } from "./trees.ts";

export const targets: Readonly<Record<string, Target>> = {
  ...objectTargets,
  ...dataTargets,
  ...kernelFileTargets,
  ...fleetTargets,
  ...commandTargets,
  ...treeTargets,
  ...buildTargets,
};
