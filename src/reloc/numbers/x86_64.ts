import { x86_64, x86_64OtherNames } from "../x86_64.ts";
import { numberIn } from "./numberIn.ts";

const x86 = numberIn(x86_64, x86_64OtherNames);
export const R_X86_64_PC32 = x86("R_X86_64_PC32");
export const R_X86_64_PLT32 = x86("R_X86_64_PLT32");
export const R_X86_64_64 = x86("R_X86_64_64");
