// What ftrace prints about a place that it patches: kernel/trace/ftrace.c and the architectures' ftrace.c.

import { type Message, ofModule, sentence } from "./define.ts";

export const ftraceMessages: readonly Message[] = [
  {
    forms: ["------------[ ftrace bug ]------------"],
    by: "ftrace",
    concerns: "machine",
    meaning: () =>
      "ftrace found other bytes at a function's entry than it expects, and switches itself off until the next boot. The lines that follow name the place and the bytes.",
    help: () => "the entry was changed by another tool, or a relocation of the module went to the entry's call",
  },
  {
    forms: [
      "ftrace failed to modify",
      "ftrace faulted on modifying",
      "ftrace faulted on writing",
      "ftrace faulted on unknown error",
      "[<{value}>] {address}",
    ],
    by: "ftrace",
    concerns: ofModule,
    meaning: (f) =>
      f.address === undefined
        ? "A part of ftrace's bug report; the next line names the place."
        : `The place of ftrace's bug report: ${f.address}.`,
    help: () => "compare the bytes at this entry with the `actual:` and `expected:` lines",
  },
  {
    forms: [
      "actual: {text}",
      "expected: {text}",
      "ftrace record flags: {value}",
      "ftrace record flags: {value} {text}",
      "expected tramp: {value}",
      "({number}) {text} tramp: {text}",
      "Expected old value: {value}",
      "Initializing ftrace call sites",
      "Setting ftrace call site to call ftrace function",
      "Setting ftrace call site to NOP",
      "Updating ftrace call site to call a different ftrace function",
    ],
    by: "ftrace",
    concerns: "machine",
    meaning: () => "A part of ftrace's bug report: the bytes found, the bytes expected, what it was about to do.",
  },
  {
    forms: [
      "{value}: expected ({word}) != found ({value})",
      "{value}: expected (bl) != found ({word})",
      "{value}: fetching instruction failed",
    ],
    by: "ftrace",
    concerns: "machine",
    arch: "ppc64le",
    meaning: (f) =>
      `At ${f.value} ftrace expected the call to _mcount of -mprofile-kernel (or its nop) and found another word.`,
    help: () => "the call to _mcount at the function's entry was changed: it must keep its relocation and its word",
  },
  {
    forms: [
      "{address}: replaced ({word}) != old ({word})",
      "{address}: replaced (0x{word}) != old (0x{word})",
      "{address}: replaced ({value}) != old ({value})",
      "Not expected bl: opcode is {word}",
      "Unexpected instruction {word} around bl _mcount",
      "Expected {word} found {word}",
      "Expected 0x{word} found 0x{word}",
      "Unexpected call sequence at {address}: {text}",
      "addr {value} does not match expected {value}",
      "Unknown ftrace addr to patch: {address}",
    ],
    by: "ftrace",
    concerns: ofModule,
    arch: "ppc64le",
    kernels: "up to 6.11",
    meaning: (f) =>
      `At a function's entry ftrace found other words${f.word === undefined ? "" : ` (${f.word})`} than the call to _mcount of -mprofile-kernel, or its nop (60000000): a \`bl\` (48…1 to 4b…1) there is the call that another user of ftrace left, or that the loader could not turn into a nop.`,
    help: () =>
      "the call to _mcount at the function's entry must keep its relocation and its word: `klplink sites` lists the entries of the file; if the file is right, another tracer or livepatch changed the entry. ftrace stays off until the next boot",
  },
  {
    forms: [
      "Fetching opcode failed.",
      "Fetching op failed.",
      "Fetching instruction at {value} failed.",
      "Failed to get trampoline target",
      "No ftrace trampolines reachable from {address}",
      "No ftrace trampoline",
      "No module loaded",
      "No module loaded addr={value}",
      "Patching NOP failed.",
      "REL24 out of range!",
      "Error patching branch to ftrace tramp!",
      "Unable to read ftrace location {address}",
      "Record mod {address} not equal to passed in mod {address}",
    ],
    by: "ftrace",
    concerns: ofModule,
    arch: "ppc64le",
    kernels: "up to 6.11",
    meaning: () =>
      "ftrace could not follow or change the call at a function's entry; the lines beside it name the place.",
    help: () => "look at the `ftrace bug` report that follows",
  },
  {
    forms: [
      "{value}: No ftrace stubs reachable",
      "{value} ({value}): No ftrace stubs reachable",
      "{module}: ftrace ool stub out of range ({text}).",
    ],
    by: "ftrace",
    concerns: "file",
    arch: "ppc64le",
    meaning: () => "The entry of a function is more than 32 MiB away from the kernel's and the module's ftrace stubs.",
    help: () => "the module is too large, or lies too far from the kernel",
  },
  {
    forms: [
      "{value}: No module provided for non-kernel address",
      "No module loaded at addr={value}",
      "{value} ({value}): Unexpected target address {value}",
      "Address of {address} out of range of pcrel address.",
    ],
    by: "ftrace",
    concerns: ofModule,
    arch: "ppc64le",
    kernels: "from 6.12",
    meaning: () =>
      "ftrace could not find a way from a function's entry to where it should lead: the entry is in no loaded module, or the target is out of a branch's reach.",
    help: () => "look at the `ftrace bug` report that follows",
  },
  {
    forms: ["no module PLT for {address}"],
    by: "ftrace",
    concerns: "file",
    arch: "arm64",
    meaning: (f) =>
      `A branch from the module to ${f.address} is too long, and the module has no ftrace trampoline: its section .text.ftrace_trampoline is missing or empty.`,
    help: () => "link the object into a module with kbuild; its linker script makes that section",
  },
  {
    forms: ["Expected E8, got {value}"],
    by: "ftrace",
    concerns: "machine",
    arch: "x86_64",
    meaning: () => "Where ftrace expected a call (e8) in one of its own trampolines it found another byte.",
    help: () => "look at the `ftrace bug` report that follows",
  },
  {
    forms: [
      "invalid use of ftrace_make_nop",
      "[{number}] {address} at {value} is not sorted with {address} at {value}",
      "Extra allocated pages for ftrace: {number} with {number} skipped",
      "Extra allocated pages for ftrace",
      "Bad trampoline accounting at: {value} ({address}) ({value})",
      "Bad trampoline accounting at: {value} ({address})",
      "op={value} {address}",
      "ftrace ops had {address} for function",
      "{address} flags:{value}",
    ],
    by: "ftrace",
    concerns: "machine",
    meaning: () => "ftrace's own records are at odds with each other: a fault of the kernel, not of a module.",
    help: () => "report it to the maintainers of the kernel",
  },
  {
    forms: [
      "failed to allocate entries for module '{module}' functions",
      "failed to allocate entries for functions",
      "FAILED to allocate memory for functions",
      "Could not allocate stat file for cpu {number}",
      "Could not register function stat for cpu {number}",
      "cannot allocate ftrace plt",
    ],
    by: "ftrace",
    concerns: "machine",
    meaning: (f) =>
      f.module === undefined
        ? "ftrace had no memory for its records."
        : `ftrace had no memory for its records of ${f.module}: that module's functions cannot be traced or livepatched.`,
    help: () => "look for out-of-memory messages before it",
  },
  sentence(
    "ftrace",
    "machine",
    "A notice of ftrace's start, or about a name that was given to it.",
    "nothing",
    "ftrace section at {value} sorted properly",
    "No functions to be traced?",
    "allocating {number} entries in {number} pages",
    "allocated {number} pages with {number} groups",
    "function {name} not traceable",
  ),
];
