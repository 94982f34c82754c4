// What differs between the kernels that klplink knows, 4.15 to 7.2: one row a difference. Rules and wordings ask here.

import { isAtLeast, type KernelVersion } from "./version.ts";

/** The range of releases that the rules were written for. */
const OLDEST: KernelVersion = { major: 4, minor: 15 };
const NEWEST: KernelVersion = { major: 7, minor: 2 };

/** Release, as major and minor number. */
type Release = readonly [major: number, minor: number];

interface Row {
  /** First release that has it. */
  readonly since: Release;
  readonly what: string;
  /**
   * The releases nearest to `since` whose sources were read for this, and of which some were run: the newest that lacks it and
   * the oldest that has it; null where none was. Which release between them is the first is known from change logs.
   */
  readonly read: readonly [lacks: Release | null, has: Release | null];
  /** The commit that brought it, with what was read to tell its release; absent: change logs. */
  readonly commit?: string;
  /** Earlier stable releases that got it, too: from which number on. */
  readonly stable?: readonly (readonly [major: number, minor: number, patch: number])[];
}

/** Sources that were read: 6.1, 6.12, 7.2. */
const BEFORE_6_1 = [null, [6, 1]] as const;
const BEFORE_6_12 = [
  [6, 1],
  [6, 12],
] as const;
const BEFORE_7_2 = [
  [6, 12],
  [7, 2],
] as const;

const rows = {
  x86WarnsThunk: {
    since: [6, 9],
    what: "x86_64: `Unpatched return thunk in use` when code runs into __x86_return_thunk itself",
    read: BEFORE_6_12,
    commit: "4461438a8405, 6.9",
  },
  x86Plt32: {
    since: [4, 16],
    what: "x86_64: R_X86_64_PLT32 is applied, as R_X86_64_PC32 is (stable releases before it got that later)",
    read: BEFORE_6_1,
  },
  ppcNopWording: {
    since: [4, 16],
    what: "ppc64le: `Expected nop after call` in place of `Expect noop after relocate`; calls of livepatch symbols go through stubs",
    read: BEFORE_6_1,
  },
  x86Pc64: { since: [4, 20], what: "x86_64: R_X86_64_PC64 is applied", read: BEFORE_6_1 },
  namespaces: { since: [5, 4], what: "exports may have namespaces, which a user must import", read: BEFORE_6_1 },
  vmlinuxAtLoad: {
    since: [5, 8],
    what: "`.klp.rela.vmlinux` is applied while the module loads; `.klp.arch` is gone; symbols of vmlinux are refused in sections that wait for a module",
    read: BEFORE_6_1,
  },
  writableCodeRefused: {
    since: [5, 8],
    what: "a section that is both writable and executable is refused (CONFIG_STRICT_MODULE_RWX)",
    read: BEFORE_6_1,
  },
  x86AltUnpadded: {
    since: [5, 13],
    what: "x86_64: an entry of .altinstructions has 12 bytes, without the one for padding",
    read: BEFORE_6_1,
    commit: "23c1ad538f4f (padlen is gone, ALT_ENTRY_SIZE is 12), 5.13",
  },
  arm64ExtableType: {
    since: [5, 16],
    what: "arm64: an entry of __ex_table has 12 bytes, with a type, 8 before",
    read: BEFORE_6_1,
    commit: "d6e2cc564775, 5.16",
  },
  longNames: { since: [6, 1], what: "a symbol's name may have 511 bytes, 127 before", read: BEFORE_6_1 },
  ppcChecksAbi: {
    since: [6, 2],
    what: "ppc64le: a module whose e_flags do not say ABI version 2 is refused",
    read: BEFORE_6_12,
  },
  x86AltFlags: {
    since: [6, 3],
    what: "x86_64: an entry of .altinstructions has 14 bytes, with flags",
    read: BEFORE_6_12,
    commit: "5d1dd961e743, 6.3",
  },
  x86ClearsOnUnload: {
    since: [6, 3],
    what: "x86_64: relocations are cleared when the patched module goes; a place that is not zero is refused in new words (`Invalid` in place of `Skipping invalid`)",
    read: BEFORE_6_12,
  },
  ppcRestoredCall: {
    since: [6, 3],
    what: "ppc64le: `ld r2,24(r1)` behind a call is accepted where a nop is, so a livepatch can be applied to a module again",
    read: BEFORE_6_12,
  },
  memoryTypes: {
    since: [6, 4],
    what: "a module's memory is allocated by kind (text, data, read-only data, …) in place of one block and one for init",
    read: BEFORE_6_12,
  },
  ppcPcrel: {
    since: [6, 4],
    what: "ppc64le: R_PPC64_REL24_NOTOC, R_PPC64_PCREL34 and R_PPC64_GOT_PCREL34 are applied, in kernels built for power10",
    read: BEFORE_6_12,
  },
  thisModuleChecked: {
    since: [6, 4],
    what: "more than one .modinfo or .gnu.linkonce.this_module is refused, and the latter must be loaded, hold bytes, and be as large as struct module",
    read: BEFORE_6_12,
  },
  arm64Prefix: { since: [6, 5], what: "arm64: messages of the loader begin with `Modules: `", read: BEFORE_6_12 },
  sortTakesTwo: {
    since: [6, 11],
    what: "sort() takes two elements at once from its heap: relocations of one kind come in another order (arm64, ppc64le)",
    read: BEFORE_6_12,
  },
  thisModuleExactlyOne: {
    since: [6, 13],
    what: "`Exactly one` in place of `Only one` .gnu.linkonce.this_module (stable releases of 6.12 got that later)",
    read: BEFORE_7_2,
  },
  stringTableChecked: {
    since: [6, 13],
    what: "the symbol string table must begin and end with a zero byte; section header 0 is looked at before the names of sections",
    read: BEFORE_7_2,
  },
  ppcOutOfLine: {
    since: [6, 13],
    what: "ppc64le: ftrace may be built with its code out of line; modules need fewer stubs for it",
    read: BEFORE_7_2,
  },
  extendedVersions: {
    since: [6, 14],
    what: "checksums may stand in __version_ext_crcs and __version_ext_names, which need one another",
    read: BEFORE_7_2,
  },
  inheritsTaint: {
    since: [5, 9],
    what: "a module that uses what a proprietary module exports is proprietary, too (inherit_taint)",
    read: BEFORE_6_1,
    commit: "262e6ae7081d",
  },
  moduleNamespaces: {
    since: [6, 16],
    what: "exports may be restricted to modules by name (`module:` namespaces)",
    read: BEFORE_7_2,
  },
  symbolIndexInMessage: {
    since: [6, 19],
    what: "`is not marked as a livepatch symbol` tells section and index",
    read: BEFORE_7_2,
  },
  x86BugFormat: {
    since: [6, 19],
    what: "x86_64: an entry of __bug_table has 16 bytes, with a format, 12 before",
    read: BEFORE_7_2,
    commit: "0a52d339d35d and 4f1b701f24be, 6.19",
  },
  x86PlaceInMessage: {
    since: [6, 19],
    what: "x86_64: `existing value is nonzero` and `overflow in relocation type` tell section and index",
    read: BEFORE_7_2,
  },
  flagTable: {
    since: [7, 0],
    what: "licence of exports stands in __kflagstab, in place of a table of their own",
    read: BEFORE_7_2,
  },
  arm64OneFtraceCaller: {
    since: [6, 2],
    what: "arm64: there is no ftrace_regs_caller of its own, and no trampoline for it in modules",
    read: BEFORE_6_12,
  },
  traceEventsInOneList: {
    since: [6, 2],
    what: "struct trace_event has a hash node alone; fields of struct trace_event_call behind it lie 16 bytes earlier",
    read: BEFORE_6_12,
  },
  orcUndefinedType: {
    since: [6, 4],
    what: "x86_64: type 0 marks an ORC entry that ends the code before it, and counts in the sort",
    read: BEFORE_6_12,
  },
  srcuAllocated: {
    since: [6, 4],
    what: "most of struct srcu_struct is allocated when a module loads",
    read: BEFORE_6_12,
  },
  ppcStubsAligned: {
    since: [6, 4],
    what: "ppc64le: a stub that is not aligned to 8 bytes is refused",
    read: BEFORE_6_12,
  },
  traceFieldsChecked: {
    since: [6, 6],
    what: "fields of trace events are checked and flagged when a module loads",
    read: BEFORE_6_12,
  },
  x86ParavirtAlternatives: {
    since: [6, 8],
    what: "x86_64: calls of paravirtual operations are alternatives; there is no .parainstructions, whose entries have 16 bytes before",
    read: BEFORE_6_12,
    commit: "f7af6977621a, 6.8; the size: _paravirt_alt of 6.1",
  },
  x86CallsCountedByOne: {
    since: [6, 8],
    what: "x86_64: call depth tracking counts with the instruction that klplink knows (6.2 to 6.7 have another)",
    read: BEFORE_6_12,
  },
  arm64InitTrampoline: {
    since: [6, 11],
    what: "arm64: .init.text.ftrace_trampoline, a trampoline for init code",
    read: BEFORE_6_12,
  },
  percpuRelocated: {
    since: [6, 13],
    what: "relocations are applied to the template of per-CPU data",
    read: BEFORE_7_2,
  },
  ppcGcc5Removed: {
    since: [6, 13],
    what: "ppc64le: of gcc 5's three-instruction entry the store is taken out at load, too",
    read: BEFORE_7_2,
  },
  ppcReadOnlyModules: {
    since: [5, 14],
    what: "ppc64le: code and constants of modules are read-only once they are loaded (CONFIG_STRICT_MODULE_RWX)",
    read: BEFORE_6_1,
    commit: "c35717c71e98, 5.14 (named by 8734b41b3efe, which is for 5.14 and later)",
  },
  ppcLateCalls: {
    since: [5, 16],
    what: "ppc64le: late R_PPC64_REL24, and the stub that it needs, are written into read-only memory",
    read: BEFORE_6_1,
    commit: "8734b41b3efe, 5.16; 5.15.11",
    stable: [[5, 15, 11]],
  },
  arm64LateWrites: {
    since: [6, 17],
    what: "arm64: late relocations are written into read-only memory; kernels can have livepatching",
    read: BEFORE_7_2,
    commit: "91b89a634487 and fd1e0fd71f65, 6.17",
  },
  ppcStubsCounted: {
    since: [6, 18],
    what: "ppc64le: the loader counts the stubs in use, in place of a table that ends with an empty one",
    read: BEFORE_7_2,
    commit: "b137312fbf2d, 6.18",
  },
  ppcOutOfLineKept: {
    since: [6, 18],
    what: "ppc64le: late stubs are not written over the out-of-line halves of ftrace sites",
    read: BEFORE_7_2,
    commit: "5337609a3148 and f6b4df37ebfe, 6.18; 6.17.3",
    stable: [[6, 17, 3]],
  },
  x86ThunksPadded: {
    since: [6, 13],
    what: "x86_64: an indirect call that replaces a thunk is padded by prefixes, a jump by traps",
    read: BEFORE_7_2,
  },
  x86SealedByPoison: {
    since: [6, 15],
    what: "x86_64: a sealed landing pad becomes `nopl -42(%rax)`, not `nopw (%rax)`",
    read: BEFORE_7_2,
  },
} as const satisfies Record<string, Row>;

export type VersionFact = keyof typeof rows;
export const versionFacts: Readonly<Record<VersionFact, Row>> = rows;

/** Whether a kernel has what a row says; a kernel whose version is not known counts as the newest. */
export function hasFact(version: KernelVersion | null, fact: VersionFact): boolean {
  const { since, stable = [] }: Row = rows[fact];
  if (version === null || isAtLeast(version, since[0], since[1])) return true;
  return stable.some(([major, minor, patch]) => {
    return version.major === major && version.minor === minor && (version.patch ?? 0) >= patch;
  });
}

/** Whether the kernel at hand has what a row says. */
export type HasFact = (fact: VersionFact) => boolean;

/** Whether the rules were written for that release. */
export function isKnownVersion(version: KernelVersion): boolean {
  return isAtLeast(version, OLDEST.major, OLDEST.minor) && isAtLeast(NEWEST, version.major, version.minor);
}

/** Bytes of a symbol's name that the livepatch core reads: KSYM_NAME_LEN - 1. */
export function longestSymbolName(version: KernelVersion | null): number {
  return hasFact(version, "longNames") ? 511 : 127;
}

/** The table for docs/kernel-versions.md. */
export function versionTable(): string {
  const told = (release: Release | null): string => (release === null ? "-" : release.join("."));
  const row = ({ since, what, read, commit = "-" }: Row): string =>
    `| ${told(since)} | ${what.replace(/\|/g, "\\|")} | ${told(read[0])} | ${told(read[1])} | ${commit} |`;
  const sorted = Object.values<Row>(rows).sort((a, b) => a.since[0] - b.since[0] || a.since[1] - b.since[1]);
  return [
    "# Kernel versions",
    "Generated by `npm run docs` from `src/kernel/versionFacts.ts`; do not edit.",
    `klplink knows the kernels from ${told([OLDEST.major, OLDEST.minor])} to ${told([NEWEST.major, NEWEST.minor])}. Which of them a module is for stands in its vermagic, or \`--kernel-version\` says it. A kernel that is not known counts as the newest. This is all that differs between them for klplink's rules and wordings.`,
    "The last columns tell how a row is known: the newest kernel whose source was read and lacks it, the oldest whose source was read and has it, and the commit that brought it, as read. Where several releases lie between and no commit is named, the release in the first column is the change logs'.",
    ["| Since | What | Not yet in | Seen in | Commit |", "|---|---|---|---|---|", ...sorted.map(row)].join("\n"),
    "",
  ].join("\n\n");
}
