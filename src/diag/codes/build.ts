// From a patch to a livepatch module by the kernel's own make: the patch, the source, the build.

import { define } from "../define.ts";

const shown = (line: string | null): string =>
  line === null ? "the file ends before it" : line === "" ? "an empty line" : `\`${line.replace(/\s+/g, " ").trim()}\``;

const some = (names: readonly string[]): string =>
  names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");

export const KLP801 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the patch is damaged: ${d.what}`,
  help: () =>
    "make it again, with `git diff`, `git format-patch` or `diff -up`, and take care that no editor changes it",
  explain:
    "klplink reads unified diffs: those of git, and those of diff. What does not follow their form is not guessed at, since a hunk that is cut off would change the kernel in another way than its author meant.",
});

export const KLP802 = define<{ readonly path: string; readonly why: string }>({
  level: "error",
  title: (d) => `\`${d.path}\` is not a path in the kernel's source: ${d.why}`,
  help: () =>
    "make the patch from the top of the source; `-p N` says how many parts of its paths are cut off (default: 1)",
  explain:
    "Paths in a patch are those of files below the top of the source, with one part in front (`a/`, `b/`). A patch that names a file elsewhere is refused.",
});

export const KLP803 = define<{
  readonly path: string;
  readonly line: number;
  readonly why: "context" | "several" | "bare" | "applied" | "ends";
  readonly expected: string;
  readonly found: string | null;
  readonly fuzz: number | null;
}>({
  level: "error",
  title: (d) =>
    d.why === "applied"
      ? `the patch is in ${d.path} already`
      : d.why === "several"
        ? `the hunk fits in several places of ${d.path}, and not at line ${d.line}, which it names`
        : d.why === "bare"
          ? `the hunk adds lines to ${d.path} and has no line to compare there`
          : `the hunk does not fit at line ${d.line} of ${d.path}, nor elsewhere`,
  why: (d) =>
    d.why === "context"
      ? `the patch has ${shown(d.expected)} there, the source has ${d.found === null ? "no more lines" : shown(d.found)}`
      : d.why === "ends"
        ? "its lines stand there, but it has fewer lines of context at one end than at the other, so it says that the file begins or ends there"
        : d.why === "applied"
          ? "the lines that it adds stand there"
          : "the wrong place would be a wrong kernel",
  help: (d) =>
    d.why === "applied"
      ? "give the source of the kernel as it runs, without the patch"
      : (d.why === "context" || d.why === "ends") && d.fuzz !== null
        ? `give the source that the patch was made for; it would fit with \`--fuzz ${d.fuzz}\``
        : d.why === "context"
          ? "give the source that the patch was made for, or make the patch anew from this one"
          : "make the patch anew from this source, with more lines of context: `git diff -U10`",
  explain:
    "A hunk is applied at the line that it names, or at the only other place where all of its lines stand. Lines of context are left out only with --fuzz N, as by `patch --fuzz`.",
});

export const KLP804 = define<{ readonly path: string; readonly what: "absent" | "exists" | "differs" }>({
  level: "error",
  title: (d) =>
    d.what === "absent"
      ? `the patch changes ${d.path}, which is not in the source`
      : d.what === "exists"
        ? `the patch makes ${d.path}, which is in the source already`
        : `the patch removes ${d.path}, which has more lines there than the patch knows`,
  help: () => "give the source that the patch was made for; `-p N` says how many parts of its paths are cut off",
  explain: "A patch names the files that it changes, makes, removes or renames; the source must have them as it says.",
});

export const KLP805 = define<{ readonly path: string; readonly what: "binary" | "link" | "submodule" }>({
  level: "error",
  title: (d) =>
    d.what === "binary"
      ? `the patch changes ${d.path} as binary data`
      : `the patch makes ${d.path} a ${d.what === "link" ? "symbolic link" : "git submodule"}`,
  why: () => "code that runs in a kernel is made of text files",
  help: (d) => `leave ${d.path} out of the patch`,
  explain: "Binary parts of a patch, symbolic links and submodules are not applied: no function comes from them.",
});

export const KLP806 = define<{ readonly path: string; readonly offset: number; readonly fuzz: number }>({
  level: "warning",
  title: (d) => `a hunk was applied to ${d.path} with ${d.fuzz} line${d.fuzz === 1 ? "" : "s"} of fuzz`,
  why: () => "lines around the change are not those that the patch knows",
  help: () => "look at the result: `klplink build --dry-run -v` shows where each hunk went",
  explain:
    "With --fuzz N up to N lines of context at each end of a hunk need not fit. It may then stand in a wrong place.",
});

export const KLP810 = define<{ readonly path: string; readonly why: string; readonly help: string }>({
  level: "error",
  title: (d) => `the patch changes ${d.path}, which no livepatch can carry`,
  why: (d) => d.why,
  help: (d) => d.help,
  explain:
    "A livepatch replaces functions of the running kernel, and of modules. What runs before it or outside of it (boot code, vDSOs, real mode), what runs only once, assembler, and what configures the build cannot be replaced that way. klplink says so before anything is compiled.",
});

export const KLP811 = define<{ readonly path: string; readonly rule: string | null }>({
  level: "error",
  title: (d) => `${d.path} is not compiled in this configuration`,
  why: (d) => (d.rule === null ? "no makefile beside it names it" : `its makefile has \`${d.rule}\``),
  help: () =>
    "is it the configuration of the kernel that runs? --config says which; else the patch has no effect there, and the file can be left out",
  explain:
    "A source file is a part of a kernel if its makefile says so for the options that are set. A patch of one that is not changes nothing in that kernel, which is more often a wrong configuration than meant.",
});

export const KLP812 = define<{ readonly option: string; readonly why: string; readonly help: string }>({
  level: "error",
  title: (d) => `the configuration has ${d.option}: ${d.why}`,
  help: (d) => d.help,
  explain:
    "A livepatch is compiled with the configuration of the kernel that it is for. Some options make it impossible: without CONFIG_LIVEPATCH there is nothing that loads it, and what makes each build another one (randomised structures, latent entropy, counters of GCOV) cannot be compared.",
});

export const KLP813 = define<{ readonly changes: readonly string[] }>({
  level: "warning",
  title: (d) =>
    `${d.changes.length} option${d.changes.length === 1 ? "" : "s"} of the configuration changed here: ${d.changes.slice(0, 6).join(", ")}${d.changes.length > 6 ? ", …" : ""}`,
  why: () => "compiler and tools of this machine are not those that the configuration was made with",
  help: () => "where an option changes code or structures, build with the compiler of the kernel: --cc, --cross",
  explain:
    "`make olddefconfig` takes a configuration over and drops what the compiler or the tools here do not offer. Options of that kind may change what is compiled; with another structure in one object than in the kernel, a livepatch corrupts memory.",
});

export const KLP814 = define<{ readonly kernel: string; readonly here: string }>({
  level: "warning",
  title: (d) => `the kernel was compiled by ${d.kernel}, the compiler here is ${d.here}`,
  why: () =>
    "another compiler inlines and splits functions in another way, so what the patch replaces may not be what runs",
  help: () => "use the same compiler: --cc NAME, or --cross PREFIX",
  explain:
    "klplink compares two compiles by the compiler that is here. What it concludes holds for the running kernel as far as that was compiled in the same way: which functions exist, what is inlined where.",
});

export const KLP815 = define<{ readonly source: string; readonly kernel: string }>({
  level: "warning",
  title: (d) => `the source is ${d.source}, the kernel ${d.kernel}`,
  why: () => "functions and structures may differ between the two",
  help: () => "give the source of the kernel that runs with --source",
  explain:
    "The top makefile of a kernel's source tells its version. Distributions name their releases in their own ways; klplink compares the upstream version with the one in the kernel's banner.",
});

export const KLP816 = define<{
  readonly command: string;
  readonly need: string;
  /** Debian's package that has it; null: not known. */
  readonly package: string | null;
}>({
  level: "error",
  title: (d) => `${d.command} is not there`,
  why: (d) => d.need,
  help: (d) =>
    d.package === null
      ? "install it, or say with --cc and --cross what is to be used"
      : `install it (Debian: apt install ${d.package}); --cc and --cross say which compiler is used`,
  explain: "klplink build drives the kernel's own make, with the compiler and tools of this machine.",
});

export const KLP817 = define<{
  readonly step: string;
  /** The first error that a program told; null: none was recognised. */
  readonly place: string | null;
  /** What belongs to it, and further errors of that file; without one the last lines of the log. */
  readonly lines: readonly string[];
}>({
  level: "error",
  title: (d) => `${d.step} failed${d.place === null ? "" : `: ${d.place}`}`,
  why: (d) => {
    if (d.place !== null) return d.lines.length < 2 ? null : d.lines.join("\n");
    return d.lines.length === 0 ? "nothing was said" : `the last lines of the log are\n${d.lines.join("\n")}`;
  },
  help: () => "the log file named above has the whole output",
  explain:
    "The kernel's make, or a program that it starts, ended with an error. What the compiler, the linker, modpost or objtool says of the first file that failed is shown, or, where none of them is recognised, the last lines. The whole output is kept in a log file.",
});

export const KLP818 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the source cannot be used: ${d.what}`,
  help: () =>
    "give the top folder of a kernel's source, its packed form (linux-source-6.1.tar.xz), or a git repository with --rev",
  explain: "--source names the source that the running kernel was built from. It is only read.",
});

export const KLP819 = define<{ readonly folder: string; readonly why: string }>({
  level: "error",
  title: (d) => `the folder that klplink builds in cannot be written to: ${d.why}`,
  help: (d) => `make room, or choose another place: KLPLINK_CACHE=FOLDER (now ${d.folder})`,
  explain:
    "klplink build copies the source into its cache folder and builds there, so that nothing of the user's is written to. It takes one to three gigabytes.",
});

const listed = (names: readonly string[]): string =>
  `${names.slice(0, 4).join(", ")}${names.length > 4 ? ` and ${names.length - 4} more` : ""}`;

export const KLP820 = define<{ readonly symbols: readonly string[]; readonly all: number }>({
  level: "error",
  title: (d) => `source and configuration are not the kernel's: they give ${listed(d.symbols)} another checksum`,
  why: (d) =>
    `of ${d.all} exported symbol${d.all === 1 ? "" : "s"} of this object ${d.symbols.length} ha${d.symbols.length === 1 ? "s" : "ve"} another type than in the kernel: structures differ, and a livepatch would read and write beside what it means`,
  help: () => "give the source and the configuration of the kernel that runs: --source, --config",
  explain:
    "A kernel with CONFIG_MODVERSIONS has a checksum of the type of each exported symbol, in Module.symvers and in vmlinux. klplink compiles the source without the patch first, and compares the checksums that this gives with those of the kernel. Where they differ, source, configuration or compiler are not those of the kernel.",
});

export const KLP821 = define<{ readonly symbols: readonly string[] }>({
  level: "warning",
  title: (d) => `the patch changes the type of what the kernel exports: ${listed(d.symbols)}`,
  why: () => "modules that were built before pass and expect what it was",
  help: () =>
    "keep parameters and structures as they are; where a new #include is all there is to it, put it between `#ifndef __GENKSYMS__` and `#endif`",
  explain:
    "The checksum of an exported symbol (CONFIG_MODVERSIONS) is made of its type, down to the members of structures. If it is another one with the patch, a type changed, or became known: a new #include may declare what was only named before. A livepatch keeps the kernel's checksums, so it loads either way.",
});

export const KLP840 = define<{ readonly headers: string; readonly kernel: string }>({
  level: "error",
  title: (d) => `the headers are those of ${d.headers}, the kernel is ${d.kernel}`,
  why: () => "the kernel refuses modules of another release (vermagic), and structures may differ between the two",
  help: (d) =>
    `give the headers of ${d.kernel} with --source: of Debian, linux-headers-${d.kernel} has them, in /usr/src/linux-headers-${d.kernel}`,
  explain:
    "A module out of the kernel's source is compiled with the headers of the kernel that is to load it, and those say which release they are of.",
});

export const KLP841 = define<{ readonly release: string | null; readonly what: string | null }>({
  level: "error",
  title: (d) =>
    d.what === null ? "the headers of the kernel are not there" : `modules cannot be built with this folder: ${d.what}`,
  help: (d) =>
    `give the folder that modules of the kernel are built with (make -C FOLDER M=…) with --source; of Debian, apt install linux-headers-${d.release ?? "RELEASE"} makes it`,
  explain:
    "With --oot the module is compiled by kbuild with the kernel's headers alone: a folder as distributions have it in a package of its own, or the folder in which the kernel was built. It is looked for where -k points to, in /lib/modules/RELEASE/build and in /usr/src, and only read.",
});

export const KLP842 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the module's source cannot be used: ${d.what}`,
  help: () => "--oot names the folder that `make -C KERNEL M=FOLDER` builds, with its Kbuild or Makefile",
  explain:
    "With --oot the patch is for a module that is no part of the kernel's source. Its folder is copied, and built twice, as it is and patched.",
});

export const KLP843 = define<{ readonly previous: string; readonly functions: readonly string[] }>({
  level: "warning",
  title: (d) =>
    `${d.functions.length} function${d.functions.length === 1 ? "" : "s"} of ${d.previous} ${d.functions.length === 1 ? "is" : "are"} not replaced any more: ${some(d.functions)}`,
  why: () =>
    "a livepatch with `replace` takes all others out of force: the kernel's own code of these functions runs again",
  help: () => "where that is not meant, give the patches of the previous livepatch as well, before the new one",
  explain:
    "A cumulative livepatch takes the place of what is in force and must bring along all that is to stay. With --previous klplink compares the functions of both modules.",
});

export const KLP844 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `the module cannot be the previous livepatch: ${d.what}`,
  help: () => "--previous names the livepatch module that is in force, as it was loaded",
  explain: "With --previous the new livepatch is compared with the one whose place it takes.",
});

export const KLP845 = define<{ readonly name: string }>({
  level: "error",
  title: (d) => `the new livepatch has the name of the one in force: ${d.name}`,
  why: () => "the kernel has one module of a name: insmod says `File exists`",
  help: (d) => `give it another: --name ${d.name.replace(/^livepatch-/, "")}-2`,
  explain:
    "A livepatch that takes the place of another is loaded while that one is in force; the old one can be removed behind it. So both need names of their own.",
});

export const KLP846 = define<{
  readonly id: string;
  readonly version: number;
  /** Null: it has no such state. */
  readonly has: number | null;
  readonly previous: string;
  readonly module: string;
}>({
  level: "error",
  title: (d) =>
    d.has === null
      ? `${d.previous} changed the system's state ${d.id}, which the new livepatch does not know`
      : `${d.previous} has version ${d.version} of the system's state ${d.id}, the new livepatch ${d.has}`,
  kernel: (d) => `Livepatch patch (${d.module}) is not compatible with the already installed livepatches.`,
  why: () => "a livepatch that replaces another must know each state that it made, in its version or a later one",
  help: (d) =>
    `say so in the patch: KLPLINK_STATE(${d.id}, ${d.version}), and take over in a callback what it stands for`,
  explain:
    "States (klp_state) are what a livepatch changes beside code, by its callbacks. klp_is_patch_compatible (kernel/livepatch/state.c, 6.1 to 7.2) compares identifiers and versions before it enables a livepatch with `replace`.",
});

export const KLP847 = define<{ readonly previous: string; readonly variables: readonly string[] }>({
  level: "warning",
  title: (d) =>
    `${d.variables.length === 1 ? "a variable" : `${d.variables.length} variables`} that ${d.previous} brought ${d.variables.length === 1 ? "begins" : "begin"} anew: ${some(d.variables)}`,
  why: () => "new variables lie in the module that brings them; the new livepatch has its own, with their first values",
  help: () =>
    "what must outlive a livepatch belongs into a shadow variable (klp_shadow_alloc), or is handed over in callbacks, with a state",
  explain:
    "A static variable that a patch adds is a part of the livepatch module, and goes with it. A cumulative livepatch made of the same patch has another one. Shadow variables are found by their identifiers, whichever livepatch made them.",
});

export const KLP822 = define<{ readonly tool: string; readonly lines: readonly string[] }>({
  level: "error",
  title: (d) => `the module could not be signed: ${d.tool} failed`,
  why: (d) => (d.lines.length === 0 ? "it said nothing" : d.lines.join(" | ")),
  help: () => "--sign KEY CERTIFICATE are the files that the kernel's scripts/sign-file takes",
  explain: "Modules are signed by the kernel's own program, with the hash that the configuration names.",
});

export const KLP823 = define<{ readonly why: string }>({
  level: "error",
  title: (d) => `no configuration was found: ${d.why}`,
  help: () => "give the one of the kernel with --config: /boot/config-RELEASE, or .config of its build folder",
  explain:
    "Which code a kernel consists of depends on its configuration. It is looked for in --config, beside the kernel that -k names, in /boot and in the source.",
});

export const KLP824 = define<{ readonly path: string }>({
  level: "error",
  title: (d) => `${d.path} is compiled to LLVM bitcode`,
  why: () =>
    "the kernel is built with link-time optimisation: there is no code to compare before the whole kernel is linked",
  help: () => "build the kernel twice, and compare the linked objects with `klplink diff vmlinux.o vmlinux.o`",
  explain: "With CONFIG_LTO_CLANG objects hold bitcode, not machine code.",
});

export const KLP833 = define<{ readonly object: string }>({
  level: "error",
  title: (d) => `${d.object} is built into a kernel whose code is made when it is linked as a whole`,
  why: () =>
    "with CONFIG_LTO_CLANG the code of a built-in file depends on all others: to compare it, all of the kernel would have to be compiled, and linked to vmlinux.o twice; klplink build does so for modules alone",
  help: () =>
    "build vmlinux.o before and after by hand (`make vmlinux_o`), and compare the two with `klplink diff`; or leave what is built in out of the patch",
  explain:
    "With link-time optimisation of clang (CONFIG_LTO_CLANG_THIN, CONFIG_LTO_CLANG_FULL) an object of a source file holds bitcode. Code is made, and inlined across files, when a module's objects are linked to one, or those of the kernel to vmlinux.o. A patch of a module is compared in the module's linked object; what is built in is not.",
});

export const KLP825 = define<{ readonly release: string | null }>({
  level: "error",
  title: () => "the kernel compares checksums of symbols (CONFIG_MODVERSIONS), and nothing that -k names has them",
  help: (d) =>
    `give its Module.symvers with -k: /lib/modules/${d.release ?? "RELEASE"}/build/Module.symvers, of the package that modules are built with`,
  explain:
    "With CONFIG_MODVERSIONS a module names a checksum for each symbol that it imports, and the kernel refuses it without, or with another one. They are taken from the kernel's Module.symvers, or from vmlinux.",
});

export const KLP826 = define<{
  readonly macro: string;
  readonly function: string;
  readonly why: string;
  readonly help: string;
}>({
  level: "error",
  title: (d) =>
    `the patch uses ${d.macro}${d.function === "" ? "" : `(${d.function})`}, which livepatch has nothing for`,
  why: (d) => d.why,
  help: (d) => d.help,
  explain:
    "Patches that were written for kpatch are compiled as they are: headers of klplink's own have its macros. Some of them asked for what only kpatch's own core did, which was a module of its own beside the kernel's livepatch. They are refused before anything is compiled.",
});
