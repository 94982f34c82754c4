// Numbers of the relocation types that code names: each is defined once, in its architecture's table.

import { arm64, arm64OtherNames } from "./arm64.ts";
import type { RelocDef } from "./def.ts";
import { ppc64le, ppc64leOtherNames } from "./ppc64le.ts";
import { x86_64, x86_64OtherNames } from "./x86_64.ts";

function numberIn(rows: readonly RelocDef[], others: ReadonlyMap<number, string>): (name: string) => number {
  const numbers = new Map<string, number>();
  for (const [type, name] of others) numbers.set(name, type);
  for (const { name, type } of rows) numbers.set(name, type);
  return (name) => {
    const type = numbers.get(name);
    if (type === undefined) throw new Error(`${name} is not in its architecture's table`);
    return type;
  };
}

const ppc64 = numberIn(ppc64le, ppc64leOtherNames);
export const R_PPC64_NONE = ppc64("R_PPC64_NONE");
export const R_PPC64_REL24 = ppc64("R_PPC64_REL24");
export const R_PPC64_REL32 = ppc64("R_PPC64_REL32");
export const R_PPC64_ADDR64 = ppc64("R_PPC64_ADDR64");
export const R_PPC64_REL64 = ppc64("R_PPC64_REL64");
export const R_PPC64_TOC16 = ppc64("R_PPC64_TOC16");
export const R_PPC64_TOC16_LO = ppc64("R_PPC64_TOC16_LO");
export const R_PPC64_TOC16_DS = ppc64("R_PPC64_TOC16_DS");
export const R_PPC64_TOC16_HA = ppc64("R_PPC64_TOC16_HA");
export const R_PPC64_TOC16_LO_DS = ppc64("R_PPC64_TOC16_LO_DS");
export const R_PPC64_REL24_NOTOC = ppc64("R_PPC64_REL24_NOTOC");
export const R_PPC64_PCREL34 = ppc64("R_PPC64_PCREL34");
export const R_PPC64_GOT_PCREL34 = ppc64("R_PPC64_GOT_PCREL34");

const aarch64 = numberIn(arm64, arm64OtherNames);
export const R_AARCH64_ABS64 = aarch64("R_AARCH64_ABS64");
export const R_AARCH64_ADR_PREL_PG_HI21 = aarch64("R_AARCH64_ADR_PREL_PG_HI21");
export const R_AARCH64_ADR_PREL_PG_HI21_NC = aarch64("R_AARCH64_ADR_PREL_PG_HI21_NC");
export const R_AARCH64_JUMP26 = aarch64("R_AARCH64_JUMP26");
export const R_AARCH64_CALL26 = aarch64("R_AARCH64_CALL26");

const x86 = numberIn(x86_64, x86_64OtherNames);
export const R_X86_64_PC32 = x86("R_X86_64_PC32");
export const R_X86_64_PLT32 = x86("R_X86_64_PLT32");
export const R_X86_64_64 = x86("R_X86_64_64");
