import {
  SHT_AARCH64_ATTRIBUTES,
  SHT_GNU_ATTRIBUTES,
  SHT_LLVM_BB_ADDR_MAP,
  SHT_LLVM_BB_ADDR_MAP_V0,
  SHT_LLVM_CALL_GRAPH_PROFILE,
  SHT_LLVM_DEPENDENT_LIBRARIES,
  SHT_LLVM_LINKER_OPTIONS,
  SHT_LLVM_LTO,
  SHT_LLVM_OFFLOADING,
  SHT_LOOS,
  SHT_X86_64_UNWIND,
} from "../consts.ts";

/** Types at or above SHT_LOOS whose content holds no symbol index. */
const withoutSymbols: ReadonlySet<number> = new Set([
  SHT_LLVM_LINKER_OPTIONS,
  SHT_LLVM_DEPENDENT_LIBRARIES,
  SHT_LLVM_BB_ADDR_MAP_V0,
  SHT_LLVM_CALL_GRAPH_PROFILE, // weights; its symbols stand in its relocation section
  SHT_LLVM_BB_ADDR_MAP,
  SHT_LLVM_OFFLOADING,
  SHT_LLVM_LTO,
  SHT_GNU_ATTRIBUTES,
  SHT_X86_64_UNWIND,
  SHT_AARCH64_ATTRIBUTES,
]);

/** Whether a section of this type, linked to a symbol table, may hold symbol indices of unknown form. */
export function refersToSymbolsUnknown(type: number): boolean {
  return type >= SHT_LOOS && !withoutSymbols.has(type);
}
