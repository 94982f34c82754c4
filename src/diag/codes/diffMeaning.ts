// Two builds of a source file: what changed that a livepatch can carry, and that code outside of it depends on.

import { define } from "../define.ts";

const listed = (names: readonly string[], most = 6): string => {
  const shown = names.slice(0, most).map((n) => `\`${n}\``);
  const more = names.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
};

const OTHERS =
  "Only the functions that changed are replaced. Variables that exist, instances that were allocated, and functions of other objects and of modules are as they were built.";

export const KLP725 = define<{
  readonly name: string;
  /** The function that declares it; null: the file. */
  readonly scope: string | null;
  readonly sizes: readonly [number, number];
  readonly members: readonly { readonly path: string; readonly before: string | null; readonly after: string | null }[];
  readonly isGrowth: boolean;
  /** Structs that hold it. */
  readonly holders: readonly string[];
  /** Functions of the object that use it: those that changed, and the others. */
  readonly changed: readonly string[];
  readonly unchanged: readonly string[];
}>({
  level: "warning",
  title: (d) => {
    const size = d.sizes[0] === d.sizes[1] ? "" : `${d.sizes[0]} bytes, then ${d.sizes[1]}`;
    const shown = d.members
      .slice(0, 3)
      .map((m) => `\`${m.path}\` ${m.before ?? "was not there"}, then ${m.after ?? "is gone"}`);
    const more = d.members.length - shown.length;
    const what = [d.isGrowth ? `it grew, ${size}` : size, ...shown, more > 0 ? `${more} members more` : ""]
      .filter((t) => t !== "")
      .join("; ");
    return `the layout of \`${d.name}\`${d.scope === null ? "" : ` in ${d.scope}`} changed: ${what}`;
  },
  why: (d) =>
    [
      d.isGrowth
        ? "instances that exist in the running kernel, and those that other code makes, are of the old size"
        : "instances that exist in the running kernel, and code that the livepatch does not replace, have the old layout",
      d.changed.length === 0
        ? ""
        : `of this object ${listed(d.changed)} use${d.changed.length === 1 ? "s" : ""} it and changed`,
      d.unchanged.length === 0
        ? ""
        : `${listed(d.unchanged)} use${d.unchanged.length === 1 ? "s" : ""} it and did not change`,
      d.holders.length === 0 ? "" : `${listed(d.holders)} hold${d.holders.length === 1 ? "s" : ""} it`,
      "other objects are not known here",
    ]
      .filter((t) => t !== "")
      .join("; "),
  help: () =>
    "put a new member into a shadow variable (klp_shadow_alloc), or where padding is, so that nothing else moves; keep the old members at their places",
  explain: `A struct, or union, has another size, or members at other places, than in the original. ${OTHERS} Compared are the types that the debug information of the two objects has. A member that only got another name, or that is in a place that nothing had, is not told.`,
});

export const KLP726 = define<{
  readonly of: string | null;
  readonly values: readonly { readonly name: string; readonly before: number; readonly after: number }[];
}>({
  level: "warning",
  title: (d) => {
    const [first, ...more] = d.values;
    const value = first === undefined ? "" : `\`${first.name}\` was ${first.before}, and is ${first.after}`;
    return `values of ${d.of === null ? "an enum" : `\`${d.of}\``} changed: ${value}${more.length === 0 ? "" : ` (and ${more.length} more)`}`;
  },
  why: () =>
    "what is stored in the running kernel, and code that the livepatch does not replace, goes on with the old values",
  help: () => "add new enumerators behind the last one, or give them values that are free",
  explain: `An enumerator stands for another number than in the original. ${OTHERS}`,
});

export const KLP727 = define<{ readonly name: string; readonly before: string; readonly after: string }>({
  level: "error",
  title: (d) => `the patch changes how modules call \`${d.name}\`: \`${d.before}\` became \`${d.after}\``,
  why: () => "it is exported: modules that are loaded, or will be, call it with the old parameters",
  help: (d) => `leave \`${d.name}\` as it is, and let it call a new function that has the new parameters`,
  explain:
    "The callers of an exported function are in modules that were built before the patch. Its parameters, or its result, are passed in another way in the patched object, so they would hand it something else than it takes. Compared is what debug information says, without qualifiers and typedefs.",
});

export const KLP728 = define<{
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly isLocal: boolean;
}>({
  level: "warning",
  title: (d) => `how \`${d.name}\` is called changed: \`${d.before}\` became \`${d.after}\``,
  why: (d) =>
    d.isLocal
      ? "its address is handed out: who calls it by that is not known here"
      : "functions of other objects may call it, with the old parameters unless they are in the livepatch as well",
  help: () => "see that all of its callers are in the same livepatch; or give the new function another name",
  explain:
    "The parameters, or the result, of a function that changed are passed in another way. Callers in the same object were compiled anew and are replaced with it; others are not known to a comparison of two objects.",
});

export const KLP729 = define<{
  readonly name: string;
  readonly what: "new" | "gone" | "checksum";
  readonly checksums: readonly [string, string] | null;
}>({
  level: "warning",
  title: (d) =>
    d.what === "new"
      ? `the export of \`${d.name}\` is new, and a livepatch exports nothing of the kernel`
      : d.what === "gone"
        ? `\`${d.name}\` is no longer exported in the patched object; in the running kernel it still is`
        : `the checksum of the export \`${d.name}\` changed${d.checksums === null ? "" : `: ${d.checksums[0]}, then ${d.checksums[1]}`}`,
  why: (d) =>
    d.what === "new"
      ? "modules find exports in tables of vmlinux and of modules, which stay as they are"
      : d.what === "gone"
        ? "modules that use it can be loaded as before"
        : "something in its prototype, or in a type that it leads to, is another; modules of the running kernel were built with the old one",
  help: (d) =>
    d.what === "new"
      ? "let the livepatch module itself define what other modules are to use, or leave the export out of the patch"
      : d.what === "gone"
        ? "nothing needs to be done if that does no harm"
        : "if only a new #include is behind it, hide that from genksyms: #ifndef __GENKSYMS__",
  explain:
    "Exports are entries in tables of the kernel that a livepatch does not change. A checksum (CONFIG_MODVERSIONS) is made of the prototype of what is exported with all types that it leads to.",
});

export const KLP730 = define<{ readonly name: string; readonly bytes: number; readonly isLocal: boolean }>({
  level: "warning",
  title: (d) => `\`${d.name}\` is new per-CPU data: ${d.bytes} bytes for each CPU`,
  why: () =>
    "it takes room of the few KiB that all modules share for per-CPU data, begins anew with each livepatch, and is gone with it: code that keeps its address must not outlive the module",
  help: () =>
    "allocate it in a pre-patch callback (alloc_percpu), or see that nothing keeps its address once the livepatch is removed",
  explain:
    "Per-CPU variables of a module lie in a reserve (PERCPU_MODULE_RESERVE, 8 KiB in most kernels); a module for which no room is left is not loaded. A livepatch that replaces another one has a variable of its own.",
});

export const KLP731 = define<{ readonly name: string; readonly why: string; readonly isThread: boolean }>({
  level: "warning",
  title: (d) =>
    d.isThread
      ? `\`${d.name}\` is the main function of a kernel thread: the transition waits until the thread ends`
      : `\`${d.name}\` is on the stack of sleeping tasks at any time: the transition may never end`,
  why: (d) => d.why,
  help: (d) =>
    d.isThread
      ? `patch a function that \`${d.name}\` calls and that returns, instead of it`
      : `patch the callers of \`${d.name}\`, or what it calls, instead of it`,
  explain:
    "A task goes over to the patched functions when none of those that are replaced is on its stack. A function in which some task sleeps at any time, or that is the main function of a kernel thread and so never leaves its stack, keeps that from happening: the livepatch stays in transition. klplink knows the functions of the scheduler and of the kernel's own threads by their names, and finds those whose address is given to kthread_create and its like.",
});

export const KLP732 = define<{ readonly name: string }>({
  level: "warning",
  title: (d) => `\`${d.name}\` is on the blacklist of kprobes (NOKPROBE_SYMBOL), and the patch changes it`,
  why: () => "it may run where ftrace's handler must not be entered: in exceptions, or in the handler itself",
  help: (d) => `patch a function that calls \`${d.name}\` in its place, or try it out under load`,
  explain:
    "Functions of _kprobe_blacklist are called by the handling of breakpoints and other exceptions. ftrace can patch those that are not notrace, and the kernel does not refuse it, but each call then goes through ftrace's handler.",
});

export const KLP733 = define<{ readonly name: string; readonly by: string; readonly why: string }>({
  level: "error",
  title: (d) => `\`${d.by}\` takes the address of \`${d.name}\`, which cannot be called by it: ${d.why}`,
  why: () =>
    "the kernel is built with indirect branch tracking: an indirect call that does not arrive at such an instruction is an exception",
  help: (d) =>
    `hand out a new function that calls \`${d.name}\`; it is compiled with the instruction because its address is taken`,
  explain:
    "With CONFIG_X86_KERNEL_IBT, or BTI on arm64, functions that are called indirectly begin with endbr64, or bti. Compilers leave it out of static functions whose address is taken nowhere, and the kernel seals those that objtool finds unused. An address of the original stands for that function, as it is in the kernel.",
});

export const KLP734 = define<{
  readonly section: string;
  readonly sizes: readonly { readonly size: number; readonly source: string }[];
}>({
  level: "error",
  title: (d) =>
    `the size of an entry of ${d.section} is not certain: ${d.sizes.map((s) => `${s.size} bytes by ${s.source}`).join(", ")}${d.sizes.length === 1 ? ", which the table's relocations contradict" : ""}`,
  why: () => "with a wrong size, entries would be cut in two and belong to the wrong functions",
  help: (d) =>
    `give the kernel that the objects were built for, or state what the table has: --entry-size ${d.section}=${d.sizes.at(-1)?.size ?? "N"}`,
  explain:
    "What --entry-size states, what the types of the kernel that -k gives say, and what the relocations of the table allow must agree.",
});

export const KLP735 = define<{ readonly name: string; readonly by: string }>({
  level: "warning",
  title: (d) => `the address of the new function \`${d.name}\` is handed out`,
  why: (d) =>
    `${d.by === "" ? "data" : `\`${d.by}\``} passes on, or stores, an address in the livepatch module, which may be removed while something still has it`,
  help: () =>
    "take it back in a pre-unpatch callback (cancel work, timers, notifiers), or leave the module loaded once it was in use",
  explain:
    "Addresses of functions that exist are those of the original, so they outlive a livepatch. A new function has no original: what calls it later, a timer or a work item, calls into the module.",
});

export const KLP738 = define<{ readonly section: string; readonly entries: readonly string[] }>({
  level: "warning",
  title: (d) => `what the object announces in ${d.section} differs: ${listedEntries(d.entries)}`,
  why: () =>
    "the kernel reads it once, when it starts or the module is loaded; a livepatch has no entry that takes the place of another",
  help: () =>
    "if it counts, do by hand what it would have done: in a callback of the livepatch, or on the running system (modes of parameters: chmod in /sys/module/NAME/parameters)",
  explain:
    "Module parameters (__param), init functions and their order (.initcall*), what modinfo shows (.modinfo), and the functions that BPF programs may call (.BTF_ids) are announced once. A change there is not taken into a livepatch, and has no effect on the running kernel.",
});

/** The first of them, and how many more there are. */
function listedEntries(entries: readonly string[]): string {
  const shown = entries.slice(0, MOST_ENTRIES).join(", ");
  return entries.length > MOST_ENTRIES ? `${shown}, and ${entries.length - MOST_ENTRIES} more` : shown;
}
const MOST_ENTRIES = 4;

export const KLP741 = define<{ readonly name: string; readonly checksums: readonly [string, string] }>({
  level: "error",
  title: (d) =>
    `taken code uses the export \`${d.name}\`, whose checksum changed: ${d.checksums[0]}, then ${d.checksums[1]}`,
  why: () =>
    "it was compiled for what the patch makes of the prototype, or of a type that it leads to; the kernel has the function or variable as it was",
  help: () =>
    "keep the types of the export as they are (shadow variables, padding); if only a new #include is behind it, hide that from genksyms: #ifndef __GENKSYMS__",
  explain:
    "The checksums of exports (CONFIG_MODVERSIONS) are those that Module.symvers of both builds lists. One is made of a prototype with all types that it leads to. Where it differs, code that goes by the new types would be given, or hand out, things of the old form.",
});

export const KLP742 = define<{
  readonly name: string;
  /** Members that changed, in words. */
  readonly members: readonly string[];
  /** Each with the functions that use the struct. */
  readonly places: readonly { readonly file: string; readonly functions: readonly string[] }[];
}>({
  level: "warning",
  title: (d) => {
    const count = d.places.reduce((sum, p) => sum + p.functions.length, 0);
    return `${count} function${count === 1 ? "" : "s"} outside of the patch use${count === 1 ? "s" : ""} \`${d.name}\`, whose layout changed`;
  },
  why: (d) => {
    const shown = d.places.slice(0, 4).map((p) => `${p.file}: ${listed(p.functions, 4)}`);
    const more = d.places.length > 4 ? `, and ${d.places.length - 4} files more` : "";
    return `${shown.join("; ")}${more}${d.members.length === 0 ? "" : `; what changed: ${d.members.slice(0, 3).join("; ")}`}`;
  },
  help: () =>
    "look at each of them: instances that they make have the old layout, and those that the patch makes reach them; a shadow variable (klp_shadow_alloc) leaves the struct as it is",
  explain: `Debug information of the other objects of the original build (in the folder form), or the types of the kernel that -k gives, tell which functions have parameters or variables of a struct, or of one that holds it. ${OTHERS}`,
});
