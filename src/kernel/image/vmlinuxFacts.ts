import type { ElfExecutable } from "../../elf/executable.ts";
import type { KernelConfig } from "../config.ts";
import type { Export } from "../symbols/exports.ts";
import type { SourceFiles } from "../symbols/placedSymbols.ts";
import type { SymbolList } from "../symbols/symbolList.ts";
import type { FtraceRecords } from "./ftraceLookup.ts";
import type { LinkedSymbol } from "./linkedIds.ts";
import type { LivepatchStack } from "./livepatchStack.ts";

/** What a kernel's own file tells: vmlinux, or a bootable image. */
export interface Vmlinux {
  readonly list: SymbolList;
  readonly exports: ReadonlyMap<string, Export>;
  /** `6.1.192`, as in the kernel's banner; null if there is none. */
  readonly release: string | null;
  /** What every module's vermagic must be; null if it was not found. */
  readonly vermagic: string | null;
  /** Addresses that `__mcount_loc` lists, moved into their functions, ascending; null if the file has none. */
  readonly ftraceSites: BigUint64Array | null;
  /** The same as the livepatch core looks for them. */
  readonly ftraceRecords: FtraceRecords | null;
  /** Functions without a landing pad once the kernel runs: addresses, ascending; null if the file does not tell. */
  readonly sealed: BigUint64Array | null;
  readonly machine: number;
  /** ppc64le: where livepatch_handler finds the livepatch stack; null if the kernel has no such handler. */
  readonly livepatchStack: LivepatchStack | null;
  /** The section .BTF; null if there is none. */
  readonly btf: Uint8Array | null;
  /** The configuration that it carries (CONFIG_IKCONFIG=y); null if it carries none. */
  readonly config: KernelConfig | null;
  /** The file itself, if it has DWARF; null if it has none. */
  readonly debug: ElfExecutable | null;
  /** Which source file each local symbol comes from; null if the file does not tell. Read when it is called. */
  readonly sourceFiles: () => SourceFiles | null;
  /**
   * Bytes of a function by its symbol, of that name at that address; null where its symbol states none. Absent: the file has no symbol table.
   */
  readonly sizeOf?: (name: string, address: bigint) => number | null;
  /** Symbols by the ids that objtool gave them in vmlinux.o; null, or absent, if it has none. Read when it is called. */
  readonly linkedIds?: () => ReadonlyMap<bigint, LinkedSymbol> | null;
}
