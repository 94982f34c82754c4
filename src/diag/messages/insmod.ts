// What insmod and modprobe say: a class of errors each, the cause is in dmesg. The words are those of kmod (insmod has
// four of its own for ENOEXEC, ENOENT, ESRCH and EINVAL, modprobe one for ENOENT), busybox and systemd-modules-load; all
// others are strerror's.

import { check, type Fields, type Message } from "./define.ts";

/** The forms in which the tools say a word; by itself, too, as people quote it. */
const said = (words: readonly string[]): string[] =>
  words.flatMap((word) => [
    `insmod: ERROR: could not insert module {text}: ${word}`,
    `insmod: ERROR: could not load module {text}: ${word}`,
    `modprobe: ERROR: could not insert '{name}': ${word}`,
    `insmod: can't insert '{name}': ${word}`,
    `modprobe: can't load module {name}: ${word}`,
    `Failed to insert module '{name}': ${word}`,
    word,
  ]);

const row = (words: readonly string[], meaning: string, help: (check: string, link: string) => string): Message => ({
  forms: said(words),
  by: "insmod or modprobe",
  concerns: "file",
  meaning: () => meaning,
  help: (f: Fields) => {
    const name = /([\w-]+)(?:\.ko)?$/.exec(f.text ?? f.name ?? "")?.[1];
    const fields = name === undefined ? f : { ...f, module: name };
    return help(`${check(fields)} -k System.map`, "`dmesg | klplink explain`");
  },
});

export const insmodMessages: readonly Message[] = [
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
    ["Device or resource busy"],
    "EBUSY: while one livepatch is in its transition no other can be enabled; or a function's ftrace site is held by another user (a kprobe), of which dmesg has a line.",
    (_, dmesg) => `\`cat /sys/kernel/livepatch/*/transition\`: 1 is one that has not ended; else run ${dmesg}`,
  ),
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: {name}",
      "insmod: ERROR: could not load module {text}: {name}",
      "modprobe: ERROR: could not insert '{text}': {name}",
      "insmod: can't insert '{text}': {name}",
      "modprobe: can't load module {text}: {name}",
      "Failed to insert module '{text}': {name}",
      "rmmod: ERROR: {text}",
    ],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: (f) =>
      `The system's word for an error number${f.name === undefined ? "" : ` (${f.name})`}; the kernel's own reason is in dmesg.`,
    help: () => "run `dmesg | klplink explain`",
  },
  {
    forms: ["failed to load module {text}"],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: () => "kpatch's summary; insmod's words stand before it, the kernel's own reason is in dmesg.",
    help: () => "run `dmesg | klplink explain`",
  },
];
