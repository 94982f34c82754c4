// What differs between the kernels that klplink knows, 4.15 to 7.2: one row a difference. Rules and wordings ask here.

import { isAtLeast, type KernelVersion } from "./version.ts";

/** The range of releases that the rules were written for. */
export const OLDEST: KernelVersion = { major: 4, minor: 15 };
export const NEWEST: KernelVersion = { major: 7, minor: 2 };

interface Row {
  /** First release that has it. */
  readonly since: readonly [major: number, minor: number];
  readonly what: string;
  /** `read`: in the sources of the releases on both sides; `told`: from change logs, the release may be one off. */
  readonly known: "read" | "told";
}

const rows = {
  x86Plt32: { since: [4, 16], what: "x86_64: R_X86_64_PLT32 is applied, as R_X86_64_PC32 is", known: "told" },
  ppcNopWording: {
    since: [4, 16],
    what: "ppc64le: `Expected nop after call` in place of `Expect noop after relocate`",
    known: "told",
  },
  x86Pc64: { since: [4, 20], what: "x86_64: R_X86_64_PC64 is applied", known: "told" },
  namespaces: { since: [5, 4], what: "exports may have namespaces, which a user must import", known: "told" },
  vmlinuxAtLoad: {
    since: [5, 8],
    what: "`.klp.rela.vmlinux` is applied while the module loads; `.klp.arch` is gone; symbols of vmlinux are refused in sections that wait for a module",
    known: "told",
  },
  longNames: { since: [6, 1], what: "a symbol's name may have 511 bytes, 127 before", known: "read" },
  x86ClearsOnUnload: {
    since: [6, 3],
    what: "x86_64: relocations are cleared when the patched module goes; a place that is not zero is refused in new words",
    known: "told",
  },
  ppcRestoredCall: {
    since: [6, 3],
    what: "ppc64le: `ld r2,24(r1)` behind a call is accepted where a nop is",
    known: "told",
  },
  thisModuleExactlyOne: {
    since: [6, 13],
    what: "`Exactly one` in place of `Only one` .gnu.linkonce.this_module",
    known: "told",
  },
  symbolIndexInMessage: {
    since: [6, 19],
    what: "`is not marked as a livepatch symbol` tells section and index",
    known: "told",
  },
  moduleNamespaces: {
    since: [6, 16],
    what: "exports may be restricted to modules by name (`module:` namespaces)",
    known: "told",
  },
  x86PlaceInMessage: {
    since: [6, 19],
    what: "x86_64: `existing value is nonzero` tells section and index",
    known: "told",
  },
  flagTable: {
    since: [7, 0],
    what: "licence of exports stands in __kflagstab, in place of a table of their own",
    known: "told",
  },
} as const satisfies Record<string, Row>;

export type VersionFact = keyof typeof rows;
export const versionFacts: Readonly<Record<VersionFact, Row>> = rows;

/** Whether a kernel has what a row says; a kernel whose version is not known counts as the newest. */
export function hasFact(version: KernelVersion | null, fact: VersionFact): boolean {
  const [major, minor] = rows[fact].since;
  return version === null || isAtLeast(version, major, minor);
}

/** Whether the rules were written for that release. */
export function isKnownVersion(version: KernelVersion): boolean {
  return isAtLeast(version, OLDEST.major, OLDEST.minor) && isAtLeast(NEWEST, version.major, version.minor);
}

/** Bytes of a symbol's name that the livepatch core reads: KSYM_NAME_LEN - 1. */
export function longestSymbolName(version: KernelVersion | null): number {
  return hasFact(version, "longNames") ? 511 : 127;
}
