import type { Capstone } from "@alexaltea/capstone-js";

/** A module's sections. */
interface WasmModule {
  readonly bytes: Buffer;
}
/** @throws for what is unknown there */
export function parse(bytes: Buffer): WasmModule;

/** A module with notes of its runs. */
interface Recording {
  readonly bytes: Buffer;
  readonly pointCount: number;
  readonly blockCount: number;
}
export function recorded(module: WasmModule): Recording;

/** What of a module is to be kept. */
interface Kept {
  readonly hasRun: (point: number) => boolean;
  readonly isTouched: (block: number) => boolean;
  readonly exported: readonly string[];
}
export function reduced(module: WasmModule, kept: Kept): Buffer;
/** Names of the exports that decoding calls. */
export const EXPORTED: readonly string[];

/** Decodes instructions and tells what was needed for them. */
export class Recorder {
  /** @param recording what `recorded` gives @param arch klplink's name for it */
  constructor(recording: Recording, arch: string);
  decode(bytes: Uint8Array): { readonly size: number; readonly mnemonic: string; readonly op_str: string } | null;
  /** A byte each: of points, then of blocks. */
  get notes(): Uint8Array;
  reduced(whole: WasmModule): Buffer;
}

/** Capstone's module as npm has it. */
export function wasmPath(): string;
/** Sections of code of an object file that is in order. */
export function codeOf(bytes: Buffer): Iterable<Buffer>;
/** What dist/ has in the place of npm's package. @param read gives the bytes of a file of dist/capstone by its name */
export function loaderOf(read: (name: string) => Buffer): () => Promise<Capstone>;
