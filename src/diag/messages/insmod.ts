// What insmod and modprobe say: a class of errors each, the cause is in dmesg.

import type { Message } from "./define.ts";

export const insmodMessages: readonly Message[] = [
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: Invalid module format",
      "modprobe: ERROR: could not insert '{name}': Invalid module format",
      "modprobe: ERROR: could not insert '{name}': Exec format error",
      "insmod: ERROR: could not insert module {text}: Exec format error",
      "insmod: can't insert '{name}': invalid module format",
      "insmod: can't insert '{name}': Invalid module format",
      "Invalid module format",
      "Exec format error",
    ],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: () =>
      "ENOEXEC: the kernel refused the file while it read or relocated it. Its reason is one line in dmesg, not here.",
    help: () => "run `dmesg | klplink explain`, and look at what `klplink check MODULE.ko` finds",
  },
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: Unknown symbol in module",
      "modprobe: ERROR: could not insert '{name}': Unknown symbol in module, or unknown parameter (see dmesg)",
      "insmod: can't insert '{name}': unknown symbol in module, or unknown parameter",
      "insmod: can't insert '{name}': unknown symbol in module or invalid parameter",
      "Unknown symbol in module{text}",
    ],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: () =>
      "ENOENT: the module uses a symbol that is not exported (or has no such parameter). dmesg names each symbol in a line `MODULE: Unknown symbol NAME (err -2)`.",
    help: () => "run `dmesg | klplink explain`, and look at what `klplink check MODULE.ko -k System.map` finds",
  },
  {
    forms: [
      "insmod: ERROR: could not insert module {text}: {name}",
      "modprobe: ERROR: could not insert '{text}': {name}",
      "insmod: can't insert '{text}': {name}",
      "rmmod: ERROR: {text}",
    ],
    by: "insmod or modprobe",
    concerns: "file",
    meaning: (f) =>
      `The system's word for an error number${f.name === undefined ? "" : ` (${f.name})`}; the kernel's own reason is in dmesg.`,
    help: () => "run `dmesg | klplink explain`",
  },
];
