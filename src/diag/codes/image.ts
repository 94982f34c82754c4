// Images and loaded modules: what cannot be computed or compared.

import { define, faultColumns } from "../define.ts";

export const KLP220 = define<{
  readonly count: number;
  readonly expected: string;
  readonly found: string;
  readonly address: string;
}>({
  level: "error",
  title: (d) =>
    `${d.count} byte${d.count === 1 ? "" : "s"} at ${d.address}: ${d.found} in memory, ${d.expected} expected`,
  why: () => "no rewrite that the kernel is known to make explains it",
  help: () => "check that the file is the one that was loaded (srcversion, build id), and the kernel's version",
  explain:
    "The loaded module's memory differs from what the loader makes of the file, at a place that is in none of the module's tables of rewritten code. Another build of the module, memory that was patched by hand, or a fault of klplink.",
});

/** What is in the way of comparing a loaded module: it tells the way out. */
export type VerifyObstacle =
  | "not loaded"
  | "no copy"
  | "built in"
  | "no file"
  | "permission"
  | "hidden"
  | "lockdown"
  | "no memory"
  | "no addresses"
  | "missing"
  | "damaged";

const WAYS_OUT: Readonly<Record<VerifyObstacle, string>> = {
  "not loaded":
    "load it first, or give another name: `lsmod` lists what is loaded; a copy of another machine's memory is given with --root",
  "no copy": "give --root the folder that the capture script filled (scripts/klplink-capture.sh MODULE FOLDER)",
  "built in": "only modules can be compared: code that is built into vmlinux is not loaded from a file",
  "no file": "give its file instead of its name: klplink verify PATH/MODULE.ko",
  permission: "run as root (`sudo klplink verify …`)",
  hidden: "run as root, with kernel.kptr_restrict=0 or 1 (`sysctl kernel.kptr_restrict=1`)",
  lockdown:
    "nobody may read the memory of a kernel that is locked down for confidentiality: boot it without lockdown=confidentiality (with Secure Boot, integrity is the usual state, which allows it)",
  "no memory":
    "it takes a kernel with CONFIG_PROC_KCORE, and /proc of the machine itself: in a container /proc/kcore is often masked; on another machine, copy with the capture script and use --root",
  "no addresses": "it takes a kernel with CONFIG_KALLSYMS, and /proc and /sys of the machine itself",
  missing:
    "check that the file is the one that was loaded (srcversion, build id), and copy again with the capture script if this is a copy",
  damaged: "copy again with the capture script",
};

/** What of a running kernel, or of a copy of its memory, cannot be used. */
export type VerifyFault =
  | { readonly fault: "sections hidden" | "symbols hidden" }
  | { readonly fault: "symbols forbidden" | "symbols unreadable" }
  | { readonly fault: "memory forbidden" | "memory unreadable" | "memory locked" }
  | { readonly fault: "symbols damaged" | "memory damaged"; readonly why: string }
  | { readonly fault: "address damaged"; readonly section: string }
  | { readonly fault: "sections forbidden" | "sections unreadable" | "no sections"; readonly module: string }
  | { readonly fault: "no copy" | "not loaded" | "built in" | "sections not told"; readonly module: string }
  | { readonly fault: "sections without memory" | "sections without address"; readonly sections: readonly string[] }
  | { readonly fault: "no file" | "several files"; readonly module: string; readonly where: readonly string[] };

/** Names that are listed; behind them stands how many there are. */
const LISTED = 5;
const listed = (names: readonly string[]): string =>
  `${names.slice(0, LISTED).join(", ")}${names.length > LISTED ? `, … (${names.length} sections)` : ""}`;

const verifyFault = faultColumns<VerifyFault>({
  "sections hidden": { what: () => "the section addresses are hidden" },
  "symbols hidden": { what: () => "the addresses in the symbol list are hidden" },
  "symbols forbidden": { what: () => "the kernel's symbols may not be read" },
  "symbols unreadable": { what: () => "the kernel's symbols cannot be read" },
  "symbols damaged": { what: (d) => `the kernel's symbols cannot be read: ${d.why}` },
  "memory forbidden": { what: () => "the kernel's memory may not be read" },
  "memory unreadable": { what: () => "the kernel's memory cannot be read" },
  "memory locked": { what: () => "the kernel is locked down: its memory may not be read" },
  "memory damaged": { what: (d) => `the kernel's memory cannot be read: ${d.why}` },
  "address damaged": { what: (d) => `the address of ${d.section} is damaged` },
  "sections forbidden": { what: (d) => `the section addresses of ${d.module} may not be read` },
  "sections unreadable": { what: (d) => `the section addresses of ${d.module} cannot be read` },
  "no sections": { what: (d) => `there are no section addresses of ${d.module}` },
  "no copy": { what: (d) => `the folder holds no copy of ${d.module}` },
  "not loaded": { what: (d) => `module ${d.module} is not loaded` },
  "built in": { what: (d) => `${d.module} is built into the kernel` },
  "sections not told": { what: (d) => `the kernel does not give the section addresses of ${d.module}` },
  "sections without memory": { what: (d) => `the memory of ${listed(d.sections)} cannot be read` },
  "sections without address": { what: (d) => `the address of ${listed(d.sections)} is missing` },
  "no file": { what: (d) => `no file of module ${d.module} below ${d.where.join(", ")}` },
  "several files": { what: (d) => `several files of module ${d.module}: ${d.where.slice(0, LISTED).join(", ")}` },
});

export const KLP221 = define<VerifyFault & { readonly obstacle: VerifyObstacle }>({
  level: "error",
  title: verifyFault.title,
  help: (d) => WAYS_OUT[d.obstacle],
  json: (d) => ({ what: verifyFault.title(d), obstacle: d.obstacle }),
  explain:
    "To compare a loaded module, klplink reads its file, its section addresses (/sys/module/NAME/sections), the kernel's symbols (/proc/kallsyms) and the kernel's memory (/proc/kcore). One of them is missing or empty, may not be read, or hides the addresses. A section whose memory cannot be read is not compared; if a section's address is missing, nothing is, as the other sections depend on it.",
});

export const KLP222 = define<{ readonly loaded: string; readonly file: string }>({
  level: "error",
  title: (d) => `another build of the module is loaded: build id ${d.loaded}, and ${d.file} in the file`,
  why: () => "the linker computes the build id from the module's content: two builds that differ have two",
  help: () =>
    "give the file that was loaded; after an update of the kernel's packages, that is the one of the release that runs (`uname -r`)",
  explain:
    "A module keeps its build id in memory (.note.gnu.build-id). It is not that of the file, so the file is not the one that was loaded, and the other differences follow from that.",
});

/** Why a list of a kernel's symbols is not that of the kernel that runs. Distances are bytes. */
export type ShiftFault = { readonly file: string; readonly live: string } & (
  | { readonly fault: "nothing in common" }
  | {
      readonly fault: "two distances";
      readonly moved: readonly [
        { readonly name: string; readonly by: bigint },
        { readonly name: string; readonly by: bigint },
      ];
    }
);

const signed = (v: bigint): string => (v < 0n ? `-0x${(-v).toString(16)}` : `0x${v.toString(16)}`);

const shiftFault = faultColumns<ShiftFault>({
  "nothing in common": { what: (d) => `${d.file} has no symbols in common with ${d.live}` },
  "two distances": {
    what: ({ file, live, moved: [one, other] }) =>
      `${one.name} was moved by ${signed(one.by)}, ${other.name} by ${signed(other.by)}: ${file} is of another kernel than ${live}`,
  },
});

export const KLP223 = define<ShiftFault>({
  level: "error",
  title: shiftFault.title,
  json: (d) => ({ what: shiftFault.title(d) }),
  why: () =>
    "a kernel moves as a whole (KASLR), so each symbol must be as far from its place in the file as the others",
  help: () =>
    "give the System.map or vmlinux of the kernel that runs: /boot/System.map-$(uname -r), or that of the distribution's package with debug information for `uname -r`",
  explain:
    "klplink verify takes the symbols that the running kernel does not list from System.map or vmlinux (-k). By how much the kernel was moved is computed from the symbols that both have. They disagree, or there are none: the file is that of another build.",
});

export const KLP224 = define<{ readonly count: number; readonly names: readonly string[]; readonly source: string }>({
  level: "error",
  title: (d) =>
    `${d.source} lists functions only, and the module uses ${d.count} other symbol${d.count === 1 ? "" : "s"}: ${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""}`,
  why: () => "the kernel was built without CONFIG_KALLSYMS_ALL: it does not tell where its data is",
  help: () =>
    "give the kernel's System.map or vmlinux too: -k /boot/System.map-$(uname -r); where that is only a note (Debian), the one in the package linux-image-$(uname -r)-dbg; for what another module has, that module: -m OTHER.ko@SECTIONS",
  explain:
    "To compare a loaded module, klplink needs the addresses of all symbols that the module uses. Without CONFIG_KALLSYMS_ALL the kernel lists functions only; System.map and vmlinux have the rest, and how far the kernel was moved (KASLR) follows from the functions that both list.",
});

export const KLP225 = define<{ readonly name: string; readonly module: string }>({
  level: "warning",
  title: (d) => `${d.module} has no parameter ${d.name}`,
  kernel: (d) => `${d.module}: unknown parameter '${d.name}' ignored`,
  help: () => "`modinfo -p MODULE.ko` lists the parameters",
  explain:
    "A parameter was given (--param) that the module's table of parameters (__param) does not have. The kernel says so and loads the module all the same.",
});

export const KLP226 = define<{
  readonly name: string;
  readonly module: string;
  readonly value: string;
  readonly isLong: boolean;
}>({
  level: "error",
  title: (d) =>
    `the value of parameter ${d.name} is ${d.isLong ? "too long" : "not one that it takes"}: \`${d.value}\``,
  kernel: (d) =>
    d.isLong
      ? `${d.module}: \`${d.value}' too large for parameter \`${d.name}'`
      : `${d.module}: \`${d.value}' invalid for parameter \`${d.name}'`,
  help: () => "`modinfo -p MODULE.ko` lists the parameters with their types",
  explain:
    "The kernel reads the value of a module parameter (--param) by its type: numbers within their range, y or n for a bool, text up to the buffer's size, several with commas between them for an array. One that it cannot read ends the loading.",
});

export const KLP227 = define<{ readonly name: string; readonly module: string }>({
  level: "error",
  title: (d) => `${d.name} of ${d.module}, which the livepatch replaces, has no patch site that can be found`,
  help: () => "check that the livepatch is for this build of the module: `klplink sites PATCH.ko -m MODULE.ko`",
  explain:
    "A livepatch in force (--patched-by) patches a module as it comes: each function that it names must be there once, or at the position that it gives, and begin with a site that ftrace knows. If one is not, the kernel refuses the module.",
});
