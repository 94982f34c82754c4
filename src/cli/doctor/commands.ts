// What each command needs of the machine, beside klplink itself.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeMachines } from "../../build/machines.ts";
import type { Context } from "../context.ts";
import { hasHeader, hasProgram, program, type Requirement } from "./needs.ts";

/** A command, and what stands in its way. */
export interface Can {
  readonly command: string;
  readonly missing: readonly Requirement[];
  /** What it can do here, where nothing is missing and that is less than all. */
  readonly note: string | null;
}

/** The kernel's own build, whatever it is for (Documentation/process/changes.rst, 6.1 to 7.2). */
const BUILD: readonly Requirement[] = [
  program("make", "make"),
  program("flex", "flex"),
  program("bison", "bison"),
  program("bc", "bc"),
  program("perl", "perl"),
  program("tar", "tar"),
];
const HEADERS: readonly (readonly [string, Requirement])[] = [
  [
    "gelf.h",
    { what: "headers of libelf", packages: { deb: "libelf-dev", rpm: "elfutils-libelf-devel", suse: "libelf-devel" } },
  ],
];
const SIGN: readonly (readonly [string, Requirement])[] = [
  [
    "openssl/evp.h",
    { what: "headers of OpenSSL", packages: { deb: "libssl-dev", rpm: "openssl-devel", suse: "libopenssl-devel" } },
  ],
];

/** In the order in which they are shown. @param root the top folder of this machine, or of a copy */
export function commandsHere(root: string, env: Context["env"]): Can[] {
  const path = env.PATH ?? "";
  const without = (needs: readonly Requirement[]): Requirement[] =>
    needs.filter(({ what }) => !hasProgram(what, root, path));
  const withoutHeaders = (needs: typeof HEADERS): Requirement[] =>
    needs.filter(([header]) => !hasHeader(header, root)).map(([, need]) => need);
  const common = without(BUILD);
  const builds = Object.values(makeMachines).map(({ arch, cross, host, hasObjtool }): Can => {
    const prefix = host === process.arch ? "" : cross;
    const compiler: Requirement[] = [{ what: `${prefix}gcc`, packages: packagesOf(prefix) }];
    const objtool = hasObjtool ? withoutHeaders(HEADERS) : [];
    return { command: `build (${arch})`, missing: [...common, ...without(compiler), ...objtool], note: null };
  });
  return [
    { command: "link, check, diff, image, explain, show, sites, model, glue", missing: [], note: null },
    verifyHere(root),
    ...builds,
    { command: "build --rev", missing: without([program("git", "git", "git", "git-core")]), note: null },
    { command: "build --sign", missing: withoutHeaders(SIGN), note: null },
    { command: "show, in a pager", missing: without([program("less", "less")]), note: null },
  ];
}

function packagesOf(prefix: string): Requirement["packages"] {
  if (prefix === "") return { deb: "gcc", rpm: "gcc", suse: "gcc" };
  const name = prefix.replace(/-$/, "");
  return { deb: `gcc-${name.replaceAll("_", "-")}`, rpm: `gcc-${name}` };
}

/** It reads the memory of the kernel that runs. */
function verifyHere(root: string): Can {
  const core = join(root, "proc/kcore");
  const isThere = existsSync(core) && statSync(core).size > 0;
  const isForbidden = process.geteuid?.() !== 0;
  const note = !isThere
    ? "with --root only, of what scripts/klplink-capture.sh copied from another machine: no /proc/kcore here"
    : isForbidden
      ? "ready for root, who alone may read the kernel's memory"
      : null;
  return { command: "verify", missing: [], note };
}
