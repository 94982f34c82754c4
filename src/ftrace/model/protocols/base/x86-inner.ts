// x86-64: the inner call. The site calls ftrace_caller and does not change; the call inside ftrace_caller is
// redirected from the livepatch's own callback to the list function. The callback takes the function's address from the
// return address on the stack, and serves the livepatch only if that lies in the function.

import type { Protocol, WriterStep } from "../../protocol.ts";
import { x86 } from "./x86.ts";

export const inner = {
  ...x86,
  tasks: 1,
  patchedThroughout: true,
  registers: { ret: "?", ops: "?", ip: "?", trap: "?" },
  encodings: { int3: ["cc"], "call one": ["e8", "one"], "call list": ["e8", "list"] },
  memory: { first: "e8", tail: "one" },
} as const satisfies Partial<Protocol>;

export const innerPlaces = {
  site: { run: "push &site+5; goto caller", title: "call ftrace_caller", next: "site+5" },
  caller: { run: "pop ip; push ip; goto inner", title: "ftrace_caller takes ip from the stack" },
  inner: { cells: ["first", "tail"], next: "inner+5" },
  "inner+5": { run: "pop ret; jump ret", title: "ftrace_caller returns" },
  function: { run: "if ip == &site+5: callback ops; pop ret; jump ret", title: "the callback runs, then returns" },
} as const;

export const innerCalls = {
  "call one": 'ops = "one"; push &inner+5; goto function',
  "call list": 'ops = "list"; push &inner+5; goto function',
} as const;

export const innerWriter: readonly WriterStep[] = [
  { write: { first: "cc" }, note: "writes cc over byte 0 of the inner call" },
  { sync: true, note: "syncs all CPUs" },
  { write: { tail: "list" }, note: "writes bytes 1 to 4 of the new call" },
  { sync: true, note: "syncs all CPUs" },
  { write: { first: "e8" }, note: "writes byte 0 of the new call" },
  { sync: true, note: "syncs all CPUs" },
];
