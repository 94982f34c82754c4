// What the livepatch core prints: kernel/livepatch/*.c.

import { checkCommand, type Message, sentence } from "./define.ts";

export const livepatchMessages: readonly Message[] = [
  {
    forms: ["section {section} has an incorrectly formatted name"],
    by: "livepatch",
    concerns: "place",
    meaning: (f) => `${f.section} has the flag SHF_RELA_LIVEPATCH, but is not called .klp.rela.OBJECT.SECTION.`,
    help: () => "OBJECT is `vmlinux` or a module's name, of at most 55 bytes and without a dot",
  },
  {
    forms: [
      "symbol {symbol} is not marked as a livepatch symbol",
      "symbol {symbol} at rela sec {sectionIndex} idx {row} is not marked as a livepatch symbol",
    ],
    by: "livepatch",
    concerns: "place",
    codes: ["KLP408"],
    meaning: (f) => `A .klp.rela section refers to ${f.symbol}, whose section index is not SHN_LIVEPATCH (0xff20).`,
    help: () => "run klplink after the last `ld -r`: GNU ld turns livepatch symbols into undefined ones",
  },
  {
    forms: ["symbol {symbol} has an incorrectly formatted name"],
    by: "livepatch",
    concerns: "place",
    codes: ["KLP409", "KLP407"],
    meaning: () =>
      "The name of a livepatch symbol is .klp.sym.OBJECT.NAME,POSITION; the kernel cannot take this one apart.",
    help: () => "OBJECT has 1 to 55 bytes and no dot, NAME no comma and at most 511 bytes (127 before 6.1)",
  },
  {
    forms: [
      "invalid access to vmlinux symbol '{symbol}' from module-specific livepatch relocation section",
      "invalid access to vmlinux symbol '{symbol}' from module-specific livepatch relocation section {section}",
    ],
    by: "livepatch",
    concerns: "place",
    kernels: "from 5.8",
    meaning: () =>
      "Symbols of vmlinux must be relocated from .klp.rela.vmlinux sections, even when the patched function is a module's.",
    help: () => "make the section anew from the object, with klplink",
  },
  {
    forms: [
      "symbol '{symbol}' not found in symbol table",
      // 4.0 to 4.4.
      "symbol '{symbol}' not found at specified address {value}, kernel mismatch?",
      "symbol '{symbol}' not found at specified address {value}",
    ],
    by: "livepatch",
    concerns: "place",
    codes: ["KLP401"],
    meaning: (f) =>
      f.value !== undefined && f.value !== "…"
        ? `Livepatches of kernels 4.0 to 4.4 carry the address of ${f.symbol} and others as numbers, and here another symbol (or none) stands at ${f.value}: the patch was made with the System.map of another build of the kernel, or the kernel's addresses were moved (KASLR).`
        : `The kernel (or the module that is patched) has no symbol ${f.symbol}: it was inlined, renamed by the compiler (NAME.isra.0), configured out, or is data on a kernel without CONFIG_KALLSYMS_ALL.`,
    help: (f) =>
      f.value !== undefined && f.value !== "…"
        ? "make the patch anew with the vmlinux or System.map of the kernel that runs (`uname -v` has its build date)"
        : `\`klplink check ${f.module ?? "MODULE"}.ko -k System.map\`, with the System.map of that kernel, names it and others like it`,
  },
  {
    forms: [
      "unresolvable ambiguity for symbol '{symbol}' in object '{object}'",
      "unresolvable ambiguity for symbol '{symbol}'",
      "unresolvable ambiguity (name={symbol}, {text})",
      "unresolvable ambiguity ({number} matches) for symbol '{symbol}' in object '{object}'",
    ],
    by: "livepatch",
    concerns: "place",
    codes: ["KLP402"],
    meaning: (f) =>
      `Several symbols are called ${f.symbol}, and position 0 in the livepatch symbol says that the name is unique.`,
    help: (f) => `say which one: \`klplink … --sympos ${f.symbol}=N\` (the N-th by address)`,
  },
  {
    forms: ["symbol position {number} for symbol '{symbol}' in object '{object}' not found"],
    by: "livepatch",
    concerns: "place",
    codes: ["KLP406"],
    meaning: (f) =>
      `There are fewer than ${f.number} symbols called ${f.symbol}: the positions were counted in another kernel's symbols.`,
    help: () => "make the module anew with the System.map of the kernel that runs",
  },
  {
    forms: ["module {module} is not marked as a livepatch module"],
    by: "livepatch",
    concerns: "file",
    codes: ["KLP510"],
    meaning: () => "The module called klp_enable_patch, but has no `livepatch=` entry in .modinfo.",
    help: () => 'add MODULE_INFO(livepatch, "Y"); to its source',
  },
  {
    forms: ["failed to find location for function '{name}'"],
    by: "livepatch",
    concerns: "place",
    meaning: (f) =>
      `${f.name} has no ftrace site at its entry, so it cannot be patched: it is notrace, assembly, or was compiled without -pg / patchable entries.`,
    help: () => "patch its callers instead; /sys/kernel/tracing/available_filter_functions lists what can be patched",
  },
  {
    forms: [
      "failed to set ftrace filter for function '{name}' ({errno})",
      "failed to register ftrace handler for function '{name}' ({errno})",
    ],
    by: "livepatch",
    concerns: "machine",
    meaning: (f) =>
      `ftrace refused the site of ${f.name}: with -16 another user that redirects it (a kprobe, another patch) holds it; with -19 ftrace shut itself down after a bug.`,
    help: () => "look for other tracers, and for `ftrace bug` earlier in dmesg",
  },
  {
    forms: [
      "kallsyms size lookup failed for '{name}'",
      "kallsyms size lookup failed for '{name}' replacement",
      "kallsyms lookup failed for '{name}'",
    ],
    by: "livepatch",
    concerns: "place",
    meaning: (f) => `The kernel could not find the size of ${f.name} by its address in kallsyms.`,
    help: () => "keep the symbol table of the livepatch module whole (no strip after the link)",
  },
  sentence(
    "livepatch",
    "machine",
    "The patch does not work together with one that is installed (their states differ).",
    "use an atomic replace patch, or unload the others first",
    "Livepatch patch ({text}) is not compatible with the already installed livepatches.",
  ),
  sentence(
    "livepatch",
    "file",
    "A callback of the patch itself returned an error.",
    "look at what the callback checks",
    "pre-patch callback failed for object '{object}'",
  ),
  {
    forms: [
      "sysfs: cannot create duplicate filename '/kernel/livepatch/{name}'",
      "kobject_add_internal failed for {object} with -EEXIST, don't try to register things with the same name in the same directory.",
    ],
    by: "livepatch",
    concerns: "file",
    codes: ["KLP441", "KLP453"],
    meaning: (f) =>
      f.object === undefined
        ? `There is a folder /sys/kernel/livepatch/${f.name} already. The folders are PATCH/OBJECT/FUNCTION,POSITION: two entries of the patch name the same function and position, two of its objects have the same name, or the patch itself is loaded already.`
        : `${f.object} is to get a folder in sysfs and has one already. Of the form FUNCTION,POSITION it is an entry of a livepatch that is there twice; otherwise a patch or module of that name is loaded. insmod says \`File exists\`.`,
    help: (f) =>
      `\`${checkCommand(f)}\` names the entry that is there twice; \`ls /sys/kernel/livepatch\` the patches that are loaded`,
  },
  sentence(
    "livepatch",
    "file",
    "A summary; a line before it names the cause.",
    "look at the lines before this one",
    "failed to patch object '{object}'",
    "failed to enable patch '{name}'",
    "failed to initialize patch '{name}' for module '{object}' ({errno})",
    "failed to apply patch '{name}' to module '{object}' ({errno})",
    "patch '{name}' failed for module '{object}', refusing to load module '{module}'",
  ),
  sentence(
    "livepatch",
    "file",
    "The name `vmlinux` is reserved.",
    "call the module something else",
    "vmlinux.ko: invalid module name",
  ),
  sentence(
    "livepatch",
    "machine",
    "This architecture cannot tell which functions a task is in, so the transition to the patch may never end.",
    "expect to use `force`, with care",
    "This architecture doesn't have support for the livepatch consistency model.",
    "The livepatch transition may never complete.",
  ),
  {
    forms: ["signaling remaining tasks"],
    by: "livepatch",
    concerns: "machine",
    meaning: () =>
      "The transition is stuck: after 15 seconds some tasks still sleep in a function that is patched (or have no stack that the kernel can rely on), so the kernel woke them. It repeats that, and says so this once. The patch works for all other tasks; no other patch can be enabled or disabled until the transition ends.",
    help: () =>
      "`cat /sys/kernel/livepatch/*/transition` is 1 while it lasts. The tasks that it waits for have 0 in /proc/PID/task/TID/patch_state while a patch is enabled (1 while it is disabled, -1: no transition): `grep -l '^0' /proc/[0-9]*/task/*/patch_state`. /proc/PID/task/TID/stack names the patched function that each one sleeps in: let it come back from there, or stop that process or service. `echo 0 > /sys/kernel/livepatch/PATCH/enabled` goes back instead. `echo 1 > /sys/kernel/livepatch/PATCH/force` is the last resort: a task in an old function then meets new ones, and the patch can never be unloaded",
  },
  {
    forms: ["forcing remaining tasks to the patched state"],
    by: "livepatch",
    concerns: "machine",
    meaning: () =>
      "Someone wrote 1 to the patch's `force` in sysfs: the transition ends, with tasks that may still be in an old function.",
    help: () => "this patch, and those that it replaced, can no longer be unloaded: boot anew when that can be done",
  },
  sentence(
    "livepatch",
    "machine",
    "The transition begins: one by one tasks are switched, each when it is in no function that changes. `complete` is to follow, mostly within seconds; until then no other patch can be enabled or disabled. If it does not follow a task is stuck: `klplink explain 'livepatch: signaling remaining tasks'` says what to do then.",
    "nothing",
    "'{name}': starting {text} transition",
  ),
  sentence(
    "livepatch",
    "machine",
    "A notice of the normal course of a patch.",
    "nothing",
    "enabling patch '{name}'",
    "applying patch '{name}' to loading module '{object}'",
    "reverting patch '{name}' on unloading module '{object}'",
    "'{name}': {text} complete",
    "'{name}': {text}",
  ),
  sentence(
    "livepatch",
    "file",
    "The patch's own code made a shadow variable (klp_shadow_alloc), and that failed: its constructor returned an error, or the variable was there already.",
    "look at the patch's constructor, and at whether the id is used twice",
    "Failed to construct shadow variable <{address}, {value}> ({errno})",
    "Duplicate shadow variable <{address}, {value}>",
  ),
];
