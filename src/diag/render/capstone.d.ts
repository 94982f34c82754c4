// The part of @alexaltea/capstone-js that is used; the package brings no types.
declare module "@alexaltea/capstone-js" {
  export interface Instruction {
    readonly size: number;
    readonly mnemonic: string;
    readonly op_str: string;
  }
  export interface Decoder {
    /** Throws a string if not one instruction can be decoded. `max` 0: as many as there are. */
    disasm(bytes: readonly number[] | Uint8Array, address: number, max?: number): Instruction[];
    option(option: number, value: number): void;
    close(): void;
  }
  export interface Capstone {
    readonly Capstone: new (arch: number, mode: number) => Decoder;
    readonly ARCH_PPC: number;
    readonly ARCH_ARM64: number;
    readonly ARCH_X86: number;
    readonly MODE_64: number;
    readonly MODE_ARM: number;
    readonly MODE_LITTLE_ENDIAN: number;
    readonly OPT_SYNTAX: number;
    readonly OPT_SYNTAX_ATT: number;
  }
  export default function load(): Promise<Capstone>;
}
