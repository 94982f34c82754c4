// What the numbers in a line of the kernel mean.

import { findArchByName } from "../../arch/index.ts";
import type { Disassembler } from "../../diag/define.ts";
import type { Recognised } from "../../diag/messages/define.ts";
import { errnoNames } from "../../kernel/errno.ts";
import { relocName } from "../../reloc/def.ts";
import { bytesOfWord } from "./explain.ts";

/** @param disassemble of the architecture that prints the message, if one alone does */
export function numbersOf({ fields, message }: Recognised, disassemble: Disassembler | null): string[] {
  const notes: string[] = [];
  const arch = message.arch === undefined ? null : findArchByName(message.arch);
  if (fields.word !== undefined && arch !== null) {
    const text = disassemble?.(bytesOfWord(fields.word, arch), 0).text.replace(/\s+/, " ");
    if (text !== undefined) notes.push(`${fields.word} is \`${text}\`${wordHint(fields.word)}`);
  }
  if (fields.type !== undefined && arch !== null) {
    notes.push(`relocation type ${fields.type} is ${relocName(arch.relocs, Number(fields.type))}`);
  }
  if (fields.value !== undefined && message.by === "relocation" && /^[0-9a-f]+$/.test(fields.value)) {
    const value = BigInt.asIntN(64, BigInt(`0x${fields.value}`));
    notes.push(`value 0x${fields.value}${value < 0n ? ` (as a signed number -0x${(-value).toString(16)})` : ""}`);
  }
  const errno = Math.abs(Number(fields.errno ?? 0));
  const name = errnoNames.get(errno);
  if (name !== undefined) notes.push(`error ${fields.errno} is ${name}`);
  const symbolic = /^([^\s+]+)\+(0x[0-9a-f]+)(?:\/(0x[0-9a-f]+))?(?: \[(\w+)\])?$/.exec(fields.address ?? "");
  if (symbolic !== null) {
    const [, symbol, offset, size, module] = symbolic;
    const length = size === undefined ? "" : `, which is ${Number(size)} bytes long`;
    notes.push(
      `the address is byte ${Number(offset)} of ${symbol}${length}${module === undefined ? "" : `, in module ${module}`}`,
    );
  }
  return notes;
}

/** What a word behind a call tells about the call. */
function wordHint(word: string): string {
  const value = Number.parseInt(word, 16) >>> 0;
  const opcode = value >>> 26;
  const a = (value >>> 16) & 31;
  if (opcode === 15 && a === 2)
    return ": it loads through r2, as code does that takes the call for one with the same TOC";
  if (opcode === 14 && a === 1) return ": it closes the frame, so the call stands directly before the function's end";
  if ((opcode === 58 || opcode === 62) && a === 1)
    return ": it uses the stack frame, as code does that takes the call for a local one";
  if (value === 0xe841_0018) return ": the loader's own work of an earlier time; only kernels from 6.3 on accept it";
  return "";
}
