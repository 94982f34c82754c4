import { ppc64le, ppc64leOtherNames } from "../ppc64le.ts";
import { numberIn } from "./numberIn.ts";

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
