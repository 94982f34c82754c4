// What tools say that load modules: a class of errors each, the cause is in dmesg. The words are those of kmod (insmod has
// four of its own for ENOEXEC, ENOENT, ESRCH and EINVAL, modprobe one for ENOENT), busybox, toybox and Android's libmodprobe,
// systemd-modules-load, and of module-init-tools and modutils, from which kmod came; all others are strerror's.

import { checkCommand, type Fields, type Message } from "./define.ts";

/** The forms in which the tools say a word, in front of it. */
const SAYING = [
  // kmod.
  "insmod: ERROR: could not insert module {text}: ",
  "insmod: ERROR: could not load module {text}: ",
  "modprobe: ERROR: could not insert '{name}': ",
  // busybox, old and new.
  "insmod: can't insert '{name}': ",
  "insmod: cannot insert '{name}': ",
  "insmod: cannot insert `{name}': ",
  "modprobe: can't load module {name}: ",
  "modprobe: failed to load module {name}: ",
  // systemd.
  "Failed to insert module '{name}': ",
  // toybox, Android's libmodprobe and init.
  "insmod: failed to load {text}: ",
  "insmod: failed to load '{name}': ",
  "Failed to insmod '{name}' with args '{text}': ",
  "modprobe: Failed to insmod '{name}' with args '{text}': ",
  "Failed to insmod '{name}': ",
  "insmod {text} failed: ",
  // module-init-tools and modutils.
  "insmod: error inserting '{name}': -1 ",
  "Error inserting '{name}': -1 ",
  "Error inserting `{name}': -1 ",
  "FATAL: Error inserting {name} ({text}): ",
  "WARNING: Error inserting {name} ({text}): ",
  "{text}.o: init_module: ",
];

/** The forms in which the tools say a word; by itself, too, as people quote it. */
const said = (words: readonly string[]): string[] => words.flatMap((word) => [...behindTools(word), word]);
const behindTools = (...words: string[]): string[] => words.flatMap((word) => SAYING.map((start) => `${start}${word}`));

const row = (
  words: readonly string[],
  meaning: string,
  help: (check: string, link: string) => string,
  forms: readonly string[] = said(words),
): Message => ({
  forms,
  by: "insmod or modprobe",
  concerns: "file",
  meaning: () => meaning,
  help: (f: Fields) => {
    const name = /([\w-]+)(?:\.ko)?$/.exec(f.name ?? f.text ?? "")?.[1];
    const fields = name === undefined ? f : { ...f, module: name };
    return help(`${checkCommand(fields)} -k System.map`, "`dmesg | klplink explain`");
  },
});

/** The word of a line, which stands behind the module: the last of its values. */
const wordOf = (f: Fields): string => Object.values(f).at(-1) ?? "";

/** A row whose forms are whole lines. */
const tool = (meaning: string, help: string, ...forms: string[]): Message => ({
  forms,
  by: "insmod or modprobe",
  concerns: "machine",
  meaning: () => meaning,
  help: () => help,
});

export const insmodMessages: readonly Message[] = [
  tool(
    "The tool found no file of that name: not where the path says, or not below /lib/modules of the release that runs (`uname -r`). After an update of the kernel the old one still runs, and its modules may be gone; in an initramfs the module may be left out.",
    "`find /lib/modules/$(uname -r) -name 'NAME*'` says whether it is there: if so, run `depmod -a`; if not, install the package of the modules for this release, or boot the kernel that is installed",
    "modprobe: FATAL: Module {name} not found in directory {text}",
    "modprobe: WARNING: Module {name} not found in directory {text}",
    "modprobe: FATAL: Module {name} not found.",
    "FATAL: Module {name} not found.",
    "WARNING: Module {name} not found.",
    "modprobe: module {name} not found in modules.dep",
    "modprobe: module '{name}' not found",
    "modprobe: module {name} not found",
    "modprobe: can't load module {name}: not found",
    "modprobe: ERROR: {text} could not find module by name='{name}'",
    "Failed to find module '{name}'",
    "LoadWithAliases was unable to load {text}",
    "modprobe: LoadWithAliases was unable to load {text}",
    "insmod: ERROR: could not load module {text}: No such file or directory",
    "insmod: can't read '{name}': No such file or directory",
    "insmod: can't open '{name}': No such file or directory",
    "insmod: {text}: No such file or directory",
    "insmod: {text}: no module by that name found",
  ),
  tool(
    "There is no list of modules (modules.dep) for the release that runs (`uname -r`): its modules are not installed, are those of another release, or depmod has never run.",
    "`ls /lib/modules` beside `uname -r`: run `depmod -a`, install the modules of this release, or boot the kernel that they belong to",
    "modprobe: ERROR: {text} could not open moddep file '{name}'",
    "modprobe: ERROR: ../libkmod/{text} could not open moddep file '{name}'",
    "FATAL: Could not load {text}: No such file or directory",
    "WARNING: Could not load {text}: No such file or directory",
    "modprobe: can't change directory to '{name}': No such file or directory",
    "modprobe: can't open 'modules.dep': No such file or directory",
    "modprobe: FATAL: Could not open {text}: No such file or directory",
    "modprobe: FATAL: {text}modules.dep{text}",
    "depmod: ERROR: could not open directory {text}: No such file or directory",
    "depmod: FATAL: could not search modules: No such file or directory",
    "Failed to look up module alias '{name}': {text}",
  ),
  tool(
    "The module cannot be removed: something uses it, another module, an open device, a mounted file system, or (a livepatch) its patch is still enabled or in transition.",
    "`lsmod` shows the modules that use it, `cat /sys/module/NAME/refcnt` how often; of a livepatch write 0 to /sys/kernel/livepatch/NAME/enabled and wait until `transition` is 0",
    "modprobe: FATAL: Module {name} is in use.",
    "FATAL: Module {name} is in use.",
    "rmmod: ERROR: Module {name} is in use{text}",
    "ERROR: Module {name} is in use{text}",
    "rmmod: ERROR: could not remove '{name}': {text}",
    "rmmod: ERROR: could not remove module {name}: {text}",
    "rmmod: can't unload module '{name}': {text}",
    "rmmod: can't unload '{name}': {text}",
    "rmmod: remove '{name}': {text}",
    "modprobe: can't unload module {name}: {text}",
    "modprobe: ERROR: could not remove '{name}': {text}",
  ),
  tool(
    "The module is not loaded, so there is nothing to remove.",
    "look at `lsmod`: names are written with _ there",
    "rmmod: ERROR: Module {name} is not currently loaded",
    "modprobe: FATAL: Module {name} is not currently loaded.",
    "ERROR: Module {name} does not exist in /proc/modules",
    "rmmod: ERROR: ../libkmod/{text} could not open '/sys/module/{name}/refcnt': No such file or directory",
  ),
  tool(
    "The module is built into the kernel that runs (CONFIG_…=y): it is there already, and can neither be loaded nor removed.",
    "nothing needs to be loaded; parameters go on the kernel's command line as NAME.PARAMETER=VALUE",
    "modprobe: FATAL: Module {name} is builtin.",
    "modprobe: ERROR: Module {name} is builtin.",
    "rmmod: ERROR: Module {name} is builtin.",
    "modprobe: ERROR: {text} Module {name} is builtin.",
  ),
  tool(
    "A line `install` of /etc/modprobe.d replaces the loading of this module by a command, and that failed (`install NAME /bin/false` is how modules are forbidden).",
    "`modprobe -c | grep NAME` shows the line; a command inside it has its own message before this one",
    "modprobe: ERROR: Error running install command '{name}' for module {text}: {text}",
    "FATAL: Error running install command for {name}",
    "WARNING: Error running install command for {name}",
  ),
  tool(
    "The words of modutils, for kernels before 2.6: the module was built for another kernel, or one that it needs is not loaded.",
    "build the module for the kernel that runs; load the modules that it needs first",
    "insmod: unresolved symbol {symbol}",
    "{text}: unresolved symbol {symbol}",
    "depmod: *** Unresolved symbols in {text}",
    "{text}: kernel-module version mismatch",
    "{text}: couldn't find the kernel version the module was compiled for",
  ),
  row(
    ["Invalid parameters", "Invalid argument", "invalid parameter"],
    "EINVAL (insmod's `Invalid parameters`, modprobe's and busybox's `Invalid argument`; parameters are seldom meant). Of a livepatch it is the usual sign that livepatch refused it: a symbol or function was not found, or is there several times, of which dmesg has a line; or klp_enable_patch found a pointer that is missing or a name that is too long (KLP440), of which the kernel says nothing at all. Of any module: a symbol of another version or namespace, `Unknown symbol NAME (err -22)`.",
    (look, dmesg) => `run ${dmesg}; what the kernel refuses without a word \`${look}\` names`,
  ),
  row(
    ["Invalid module format", "invalid module format", "Exec format error"],
    "ENOEXEC: the kernel refused the file while it read or relocated it: it is damaged, for another kernel or architecture, or a relocation or a call in it cannot be applied. Its reason is one line in dmesg, not here.",
    (look, dmesg) => `run ${dmesg}, and look at what \`${look}\` finds`,
  ),
  row(
    [
      "Unknown symbol in module",
      "Unknown symbol in module (see dmesg)",
      "Unknown symbol in module, or unknown parameter (see dmesg)",
      "unknown symbol in module, or unknown parameter",
      "unknown symbol in module or invalid parameter",
    ],
    "ENOENT: the module uses a symbol that is not exported (or has no such parameter). dmesg names each symbol in a line `MODULE: Unknown symbol NAME (err -2)`. A livepatch gets it, too, if the kernel cannot tell the size of a function that it patches.",
    (look, dmesg) => `run ${dmesg}, and look at what \`${look}\` finds`,
  ),
  row(
    ["Module has wrong symbol version", "module has wrong symbol version", "No such process"],
    "ESRCH. The words are of old kernels: none of today's gives it for a symbol's version (that is `Exec format error` or `Invalid argument`, and a line `disagrees about version of symbol NAME` in dmesg), so it comes from the module's own init function, or from something that this calls.",
    (look, dmesg) => `run ${dmesg}; if it is about versions after all, \`${look}\` compares them`,
  ),
  row(
    ["Key was rejected by service"],
    "EKEYREJECTED: the kernel takes signed modules only, and this one is not signed, or its signature does not fit the file: any change to a signed module, klplink's too, makes the signature worthless.",
    (_, dmesg) =>
      `sign the finished module last (scripts/sign-file) with a key that the kernel knows; ${dmesg} says more`,
  ),
  row(
    ["Required key not available"],
    "ENOKEY: the module is signed with a key that the kernel does not know.",
    (_, dmesg) =>
      `sign it with a key of the kernel's keyrings, or enrol the key (\`mokutil --import\`); ${dmesg} says more`,
  ),
  row(
    ["Operation not permitted"],
    "EPERM: you are not root, loading was switched off (/proc/sys/kernel/modules_disabled), or the kernel is locked down and takes signed modules only.",
    (_, dmesg) => `run it as root; ${dmesg} shows a line \`Lockdown: …\` if that is the reason`,
  ),
  row(
    ["File exists", "Module already in kernel"],
    "EEXIST: a module of that name is loaded, or the module exports a symbol that another one exports already, or two entries of a livepatch name the same function (KLP441) or the same object (KLP453).",
    (look, dmesg) => `look at \`lsmod\` and /sys/kernel/livepatch, then run ${dmesg} and \`${look}\``,
  ),
  row(
    [],
    "ENOENT from the kernel: the module uses a symbol that is not exported. (insmod and modprobe of kmod say `Unknown symbol in module`.) dmesg names each symbol in a line `MODULE: Unknown symbol NAME (err -2)`.",
    (look, dmesg) => `run ${dmesg}, and look at what \`${look}\` finds`,
    behindTools("No such file or directory"),
  ),
  row(
    [],
    "ENOMEM: the kernel had no memory, or no room among the addresses where modules lie, of which dmesg has a line `vmap allocation for size … failed`; a damaged file can ask for far too much, too.",
    (look, dmesg) => `run ${dmesg}; \`${look}\` says whether the file is sound`,
    behindTools("Cannot allocate memory", "Out of memory"),
  ),
  row(
    [],
    "ENODEV or ENXIO from the module's own init function: its hardware is not there, another driver has it, or it was switched off. The loader had no objection to the file. A livepatch gets ENODEV where the kernel has no CONFIG_LIVEPATCH, or ftrace is off.",
    (_, dmesg) => `run ${dmesg}: the module's own lines say more; \`lspci -k\` shows which driver has the device`,
    behindTools("No such device", "No such device or address"),
  ),
  row(
    [],
    "ENOSYS or EOPNOTSUPP: the kernel lacks what the module (or its patch) asks for: module loading at all (CONFIG_MODULES), livepatch with reliable stacks, or the module's own feature.",
    (_, dmesg) => `run ${dmesg}`,
    behindTools(
      "Function not implemented",
      "Operation not supported",
      "Operation not supported on transport endpoint",
      "kernel does not support requested operation",
    ),
  ),
  row(
    ["Device or resource busy"],
    "EBUSY: while one livepatch is in its transition no other can be enabled; or a function's ftrace site is held by another user (a kprobe), of which dmesg has a line.",
    (_, dmesg) => `\`cat /sys/kernel/livepatch/*/transition\`: 1 is one that has not ended; else run ${dmesg}`,
  ),
  {
    forms: [
      ...SAYING.map((start) => `${start}${start.includes("{name}") ? "{text}" : "{name}"}`),
      "rmmod: ERROR: {text}",
      "modprobe: ERROR: {text}",
      "modprobe: FATAL: {text}",
      "insmod: ERROR: {text}",
      "insmod: failed to load {text}",
    ],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: (f) =>
      `The system's word for an error number${f.name === undefined && f.text === undefined ? "" : ` (${wordOf(f)})`}; the kernel's own reason is in dmesg.`,
    help: () => "run `dmesg | klplink explain`",
  },
  {
    forms: ["failed to load module {text}", "kpatch: ERROR: failed to load module {text}"],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: () => "kpatch's summary; insmod's words stand before it, the kernel's own reason is in dmesg.",
    help: () => "run `dmesg | klplink explain`",
  },
];
