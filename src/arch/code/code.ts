// What a comparison of code asks of the machine: instructions, prefixes, fill, and the tables that belong to functions.

/** One instruction. Offsets are bytes in the code that was given. */
export interface CodeInstruction {
  readonly size: number;
  /** An operand that is relative to the place; null: none. */
  readonly relative: {
    /** Offset of the word, or byte, that holds the distance. */
    readonly field: number;
    /** The bits of that word that do. */
    readonly mask: number;
    /** Where the operand leads, as the bytes stand. */
    readonly to: number;
    readonly isBranch: boolean;
  } | null;
  /** The constant that it puts into a register, or adds to one; null: it does nothing of the kind. */
  readonly constant: {
    readonly register: number;
    readonly value: number;
    /** `whole`: the register then holds `value`; `part`: value is added to, or put beside, what it holds. */
    readonly form: "whole" | "part";
  } | null;
  /** Whether it is a call, direct or not. */
  readonly isCall: boolean;
  /** Whether control may go elsewhere than to the next instruction and not come back: a jump, a return. */
  readonly isJump: boolean;
}

/** A kind of table whose entries belong to functions. All offsets are bytes in the entry. */
export interface OwnedTable {
  readonly section: string;
  /** The kernel's struct for an entry, where it has one. */
  readonly struct?: string;
  /** Sizes of an entry that kernels have had, the usual one first. */
  readonly sizes: readonly number[];
  /** The field that refers to the function that the entry belongs to. */
  readonly owner: number;
  /**
   * Fields that only a report shows: lines of the source, in entries of this size whose field `file` leads to the name of a source
   * file. Absent: none.
   */
  readonly exempt?: readonly {
    readonly at: number;
    readonly size: number;
    readonly ofSize: number;
    readonly file: number;
  }[];
  /** Code elsewhere that is a part of the entry: the field that refers to it, and how its size in bytes is found. */
  readonly piece?: {
    readonly at: number;
    /** The size of the piece, by the entry's bytes; `end` is the offset of a field that refers to its end. */
    readonly size: { readonly byte: number; readonly fromEnd?: number } | { readonly end: number };
  };
  /** References count from the start of the entry, not from the field: ppc64le's feature fix-ups. */
  readonly fromEntry?: boolean;
  /** Another section that has an entry for each of these, at the same index: {@link sizes} bytes each. */
  readonly beside?: { readonly section: string; readonly size: number };
}

/** Code that loads a constant from memory, in place of code that the kernel writes it into. Offsets are bytes. */
export interface LoadedConstant {
  /** Where the code begins that {@link code} takes the place of, of the same length. */
  readonly start: number;
  readonly code: Uint8Array;
  /** Fields that refer to the variable, by their offset in `code`. */
  readonly fields: readonly { readonly at: number; readonly type: number; readonly addend: number }[];
}

/** What a field becomes in a module. */
export interface RewrittenField {
  readonly type: number;
  /** Bytes from the field to what the CPU counts from. */
  readonly bias: number;
  /** Instruction bytes in the place of those from `at` bytes before the field on; null: they stay. */
  readonly bytes: { readonly before: number; readonly content: Uint8Array } | null;
  /** Bytes by which the field moves. */
  readonly moved: number;
}

/** What code does with the address that a reference puts into a register, or that it is: it compares it, or stores it in memory. */
export type PointerUse = "compare" | "store";

/**
 * What a function of an original that is built with `-ffunction-sections -fdata-sections` (and on ppc64le `-mcmodel=large`) may be larger or
 * smaller by than the kernel's, which is built without. Bytes; measured (docs/diff.md).
 */
export interface FlagSlack {
  /** For any function: what begins behind a TOC pointer is aligned otherwise inside. */
  readonly base: number;
  /** For any function, of its size: another code model makes other choices. A number from 0 to 1. */
  readonly share: number;
  /** For a reference to data of its own object, or through the TOC: without sections for data, those are reached from an anchor. */
  readonly data: number;
  /** For a jump, not a call, to a function of its own object: within a section it may be short. */
  readonly jump: number;
}

/** The columns of an architecture that comparing and extracting code need. */
export interface CodeTraits {
  /** The instruction at `at`; null if the bytes are none that is known. */
  readonly decode: (code: Uint8Array, at: number) => CodeInstruction | null;
  /** Bytes of fill at `at` (0: none), at most up to `end`. */
  readonly fillAt: (code: Uint8Array, at: number, end: number) => number;
  /** Whether an addend counts from the field, not from the end of the instruction, which is what the CPU adds: x86_64. */
  readonly countsFromField: boolean;
  /** Relocation types of branches, whatever stands there. */
  readonly branchTypes: ReadonlySet<number>;
  /** Relocation types that stand for a branch if the instruction is one, and their equal. */
  readonly sameOnBranches: ReadonlySet<number>;
  /** Relocation types relative to the place. */
  readonly relativeTypes: ReadonlySet<number>;
  /** Types that refer to nothing. */
  readonly noneTypes: ReadonlySet<number>;
  /** Types whose symbol is `.toc`: they refer through its entry. */
  readonly tocTypes: ReadonlySet<number>;
  /** Types that go through a table of addresses that a module does not have. */
  readonly gotTypes: ReadonlySet<number>;
  /** The relocation of a branch that the assembler resolved, by its field's place; null: it cannot reach far, or is none. */
  readonly farBranch: (code: Uint8Array, field: number) => RewrittenField | null;
  /** How an instruction that goes through the table of addresses does without it; null: it cannot. */
  readonly withoutGot: (code: Uint8Array, field: number, type: number) => RewrittenField | null;
  /** First instructions at which indirect calls may arrive, where the kernel asks for them. */
  readonly landingPads: readonly Uint8Array[];
  /** Registers of the first arguments of a call, in the numbering of {@link CodeInstruction.constant}. */
  readonly arguments: readonly number[];
  readonly tables: readonly OwnedTable[];
  readonly flagSlack: FlagSlack;
  /**
   * What is done with an address, as far as it can be told: nothing of it, something else, or more.
   * @param field offset of the reference @param start offset of its instruction
   */
  readonly pointerUse: (code: Uint8Array, field: number, start: number) => readonly PointerUse[];
  /**
   * How code that holds a constant of the kernel's (`runtime_const_ptr`, include/asm/runtime-const.h, 6.11 on) comes to it in a module,
   * into which the kernel writes none: by a load from the variable. Null: other code stands there. Absent: kernels have none.
   * @param place offset that the entry of the section `runtime_ptr_NAME` refers to
   */
  readonly runtimePointer?: (code: Uint8Array, place: number) => LoadedConstant | null;
}
