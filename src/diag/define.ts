/** A line of the source. */
export interface SourcePlace {
  /** Path as the compiler was given it: relative to `directory` unless absolute. */
  readonly file: string;
  /** The directory in which the compiler ran; null if it is not known. */
  readonly directory: string | null;
  /** From 1; 0: code that belongs to no line. */
  readonly line: number;
  /** From 1, in bytes; 0: not known. */
  readonly column: number;
  /** The function that the line stands in; null if it is not known. */
  readonly function: string | null;
}

/** A place by the symbol that the kernel charges it to. Bytes. */
export interface FunctionPlace {
  readonly name: string;
  readonly offset: number;
  /** Distance to the next symbol, as the kernel prints it behind the offset; absent: not known. */
  readonly size?: number;
  /** Name of the module, as the kernel prints it in brackets. */
  readonly module?: string;
}

/** Where a problem is. All offsets are bytes. */
export interface Place {
  /** The file's name as the user gave it. */
  readonly file: string;
  /** Offset in the file. */
  readonly fileOffset?: number;
  /** Line of a text file, from 1. */
  readonly line?: number;
  readonly section?: string;
  /** Offset in `section`. */
  readonly offset?: number;
  readonly function?: FunctionPlace;
  /** How many places of the file use the symbol at fault, where there are several; this is the first. */
  readonly uses?: number;
  /** The source lines of the place, innermost first: more than one where functions were inlined. */
  readonly source?: readonly SourcePlace[];
}

/** One instruction word near a place. */
export interface ContextLine {
  /** Offset in the section, bytes. */
  readonly offset: number;
  readonly word: number;
  /** A short reading of the word, where there is one. */
  readonly text: string | null;
  /** The relocation at this word, with its symbol. */
  readonly relocation: string | null;
  readonly symbol: string | null;
  /** Whether this is the word at fault. */
  readonly marked: boolean;
  readonly note: string | null;
}

/** Decodes the first instruction of `bytes`, which stand at `address`. Bytes that are not an instruction give data directives. */
export type Disassembler = (bytes: Uint8Array, address: number) => { readonly size: number; readonly text: string };

/** One instruction near a place. */
export interface Instruction {
  /** Offset in the section, bytes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Mnemonic and operands, with the names of relocations and functions in place of numbers. */
  readonly text: string;
  /** Relocations of these bytes. */
  readonly relocations: readonly { readonly name: string; readonly symbol: string; readonly addend: bigint }[];
  /** Whether this is the one at fault. */
  readonly marked: boolean;
  readonly note: string | null;
}

export interface Definition<Data> {
  readonly level: "error" | "warning";
  /** Lower case, no full stop; says what is wrong, not how to fix it. */
  readonly title: (d: Data) => string;
  /** The title in a list of several of the same code; without it the whole title is repeated. */
  readonly brief?: (d: Data) => string;
  /** What the kernel prints for it; null: it says nothing. */
  readonly kernel?: (d: Data) => string | null;
  /** Of several lines, if it holds what a program says: they stay as they are. Null: the title says all. */
  readonly why?: (d: Data) => string | null;
  /** The way out, and only that. */
  readonly help?: (d: Data) => string;
  /** The command that fixes it without a rebuild; null: none does. */
  readonly fix?: (d: Data) => string | null;
  /** What JSON gives as `data`; without it the data as they are. */
  readonly json?: (d: Data) => Readonly<Record<string, unknown>>;
  /** For `explain CODE`: what it means, from the smallest input that triggers it. */
  readonly explain: string;
}

export const define = <Data>(definition: Definition<Data>): Definition<Data> => definition;

/** The words of one of the faults that a code stands for. */
export interface FaultText<Data> {
  readonly what: (d: Data) => string;
  /** What the kernel prints for it; null: it says nothing. */
  readonly kernel?: (d: Data) => string | null;
}

/** The data of one of the faults of a code. */
type DataOf<Data, F> = Data extends { readonly fault: infer Names } ? (F extends Names ? Data : never) : never;

/** A row for each of the faults that a code stands for, by name. */
export type FaultTexts<Data extends { readonly fault: string }> = {
  readonly [F in Data["fault"]]: FaultText<DataOf<Data, F>>;
};

/** The columns of a code that stands for several faults. */
export function faultColumns<Data extends { readonly fault: string }>(
  texts: FaultTexts<Data>,
): { readonly title: (d: Data) => string; readonly kernel: (d: Data) => string | null } {
  const textOf = (d: Data): FaultText<Data> => texts[d.fault as Data["fault"]] as unknown as FaultText<Data>;
  return { title: (d) => textOf(d).what(d), kernel: (d) => textOf(d).kernel?.(d) ?? null };
}
