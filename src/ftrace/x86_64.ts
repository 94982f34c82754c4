// How functions of x86_64 begin: call __fentry__, or a five-byte nop in its place, behind endbr64 or not.

import type { CodeFile } from "./codeFile.ts";
import { type FunctionEntry, findCall, nameAt, type SiteRules } from "./forms.ts";
import type { CodeFunction } from "./functions.ts";

const X86 = { endbr: 0xfa1e_0ff3, call: 0xe8 } as const;
/** 0f 1f 44 00 00: nopl 0(%rax,%rax,1) */
const NOP5 = [0x0f, 0x1f, 0x44, 0x00, 0x00] as const;

/** R_X86_64_PC32 and R_X86_64_PLT32. */
const isX86Call = (type: number): boolean => type === 2 || type === 4;

function recognise(file: CodeFile, f: CodeFunction): FunctionEntry | null {
  const { section, start } = f;
  const data = file.bytes(section);
  const at = file.word(section, start) === X86.endbr ? start + 4 : start;
  if (at + 5 > data.length) return null;
  const site = { site: at, tableEntry: at };
  if (data[at] === X86.call) {
    const callee = calledAt(file, section, at);
    if (callee === "__fentry__") return { form: "fentry", ...site, isCall: true };
  }
  if (NOP5.every((byte, i) => data[at + i] === byte)) return { form: "nop5", ...site, isCall: false };
  const inside = findCall(file, f, 1);
  if (inside !== null && data[inside] === X86.call) {
    return { form: "x86 mcount", site: inside, tableEntry: inside, isCall: true };
  }
  return null;
}

/** Name of the function that an `e8` at `offset` calls; null if it is unknown. */
function calledAt(file: CodeFile, section: number, offset: number): string | null {
  const relocation = file.relocationAt(section, offset + 1);
  if (relocation !== null) return isX86Call(relocation.type) ? relocation.symbol : null;
  if (!file.isLinked) return null;
  const displacement = file.word(section, offset + 1) ?? 0;
  return nameAt(file, file.addressOf(section, offset + 5) + BigInt(displacement | 0));
}

export const x86_64Sites: SiteRules = {
  build: () => ({ callOps: false, outOfLine: false }),
  recognise,
  adjust: (_file, _record, place) => place,
  nop: null,
  // call __fentry__, or the five-byte nop that -mnop-mcount writes.
  faultAt: (file, { section, offset: at }, _table, isCalled) => {
    const code = file.bytes(section);
    const isSite = code[at] === X86.call ? isCalled(at + 1) : NOP5.every((byte, i) => code[at + i] === byte);
    return isSite ? null : { at, expected: "call __fentry__", when: "load" };
  },
  elsewhere: (_file, { offset }, named, bytes) => {
    const site = { site: offset, tableEntry: named };
    if (bytes[offset] === X86.call) return { form: "fentry", ...site, isCall: true };
    return NOP5.every((byte, i) => bytes[offset + i] === byte) ? { form: "nop5", ...site, isCall: false } : null;
  },
  callOffset: () => 0,
  callOpcode: X86.call,
};
