// What kbuild leaves beside objects: `.cmd` files, `.mod` files, thin archives.

import { readBuildCommand } from "../../../src/kernel/tree/commandFile.ts";
import { readModuleList, readThinArchive } from "../../../src/kernel/tree/memberLists.ts";
import { filesIn, type Target } from "../frame/target.ts";
import { editAny } from "./mutators.ts";

const buildTree: Target = {
  count: 1500,
  samples: () => filesIn(["test/fixtures/trees"], /\.(?:cmd|mod|a)$/),
  mutate: editAny,
  run: (bytes) => {
    const text = Buffer.from(bytes).toString("latin1");
    const command = readBuildCommand(text);
    const members = readThinArchive(bytes);
    const list = readModuleList(text);
    for (const name of members ?? []) if (name.length > 4096) throw new Error("a name that no path has");
    const end = command !== null ? "command" : members !== null ? "archive" : list.length > 0 ? "list" : "nothing";
    return { end, output: JSON.stringify([command, members, list]) };
  },
};

export const treeTargets: Readonly<Record<string, Target>> = { "build-tree": buildTree };
