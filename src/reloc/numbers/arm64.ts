import { arm64, arm64OtherNames } from "../arm64.ts";
import { numberIn } from "./numberIn.ts";

const aarch64 = numberIn(arm64, arm64OtherNames);
export const R_AARCH64_ABS64 = aarch64("R_AARCH64_ABS64");
export const R_AARCH64_ADR_PREL_PG_HI21 = aarch64("R_AARCH64_ADR_PREL_PG_HI21");
export const R_AARCH64_ADR_PREL_PG_HI21_NC = aarch64("R_AARCH64_ADR_PREL_PG_HI21_NC");
export const R_AARCH64_JUMP26 = aarch64("R_AARCH64_JUMP26");
export const R_AARCH64_CALL26 = aarch64("R_AARCH64_CALL26");
