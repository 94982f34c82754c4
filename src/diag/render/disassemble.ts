// Instructions as text, by Capstone, of which the build makes a module for each architecture (scripts/capstone.mjs). Loaded only when a
// diagnostic is shown.

import load, { type Capstone, type Decoder } from "@alexaltea/capstone-js";
import type { ArchName } from "../../base/archName.ts";
import { hexWord, viewOf } from "../../base/bytes.ts";
import type { Disassembler } from "../define.ts";

let capstone: Promise<Capstone> | null = null;
const decoders = new Map<string, Disassembler>();

/** A disassembler for an architecture. */
export async function openDisassembler(arch: ArchName): Promise<Disassembler> {
  const known = decoders.get(arch);
  if (known !== undefined) return known;
  capstone ??= load();
  const made = makers[arch](await capstone);
  decoders.set(arch, made);
  return made;
}

const makers: Readonly<Record<ArchName, (cs: Capstone) => Disassembler>> = {
  ppc64le: (cs) => words(new cs.Capstone(cs.ARCH_PPC, cs.MODE_64 | cs.MODE_LITTLE_ENDIAN), true, decimal),
  arm64: (cs) => words(new cs.Capstone(cs.ARCH_ARM64, cs.MODE_ARM), true, (operands) => operands.replace(/#/g, "")),
  x86_64: (cs) => {
    const decoder = new cs.Capstone(cs.ARCH_X86, cs.MODE_64);
    decoder.option(cs.OPT_SYNTAX, cs.OPT_SYNTAX_ATT);
    return variable(decoder);
  },
};

/** The first instruction in `bytes`, or null if they are none. */
function first(
  decoder: Decoder,
  bytes: Uint8Array,
  address: number,
): { size: number; name: string; rest: string } | null {
  try {
    const [found] = decoder.disasm(bytes, address, 1);
    return found === undefined ? null : { size: found.size, name: found.mnemonic, rest: found.op_str };
  } catch {
    return null;
  }
}

const line = (name: string, operands: string): string =>
  operands === "" ? name : `${name.padEnd(6)} ${operands.replace(/, /g, ",")}`;

function words(decoder: Decoder, littleEndian: boolean, tidy: (operands: string) => string): Disassembler {
  return (bytes, address) => {
    const size = Math.min(4, bytes.length);
    const found = size < 4 ? null : first(decoder, bytes.subarray(0, 4), address);
    if (found !== null) return { size, text: line(found.name, tidy(found.rest)) };
    const word = size < 4 ? 0 : viewOf(bytes).getUint32(0, littleEndian);
    return { size, text: line(".long", `0x${hexWord(word)}`) };
  };
}

function variable(decoder: Decoder): Disassembler {
  return (bytes, address) => {
    const found = first(decoder, bytes.subarray(0, 15), address);
    if (found !== null) return { size: found.size, text: line(found.name, found.rest) };
    return { size: 1, text: line(".byte", `0x${(bytes[0] ?? 0).toString(16).padStart(2, "0")}`) };
  };
}

/** Power assemblers write displacements and immediates in decimal. */
function decimal(operands: string): string {
  return operands.replace(/-?0x[0-9a-f]{1,4}(?=$|\()/g, (number) =>
    String(number.startsWith("-") ? -Number(number.slice(1)) : Number(number)),
  );
}
