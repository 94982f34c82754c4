// dist/capstone: Capstone's WebAssembly as npm has it, and beside it, for each architecture, a module of what decoding takes of it
// (capstone/rewrite.mjs): a tenth to a third, which is there sooner. Instructions that need more than that take the whole (capstone/load.mjs).
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { EXPORTED, Instance, NUMBERS } from "./capstone/instance.mjs";
import { loaderOf } from "./capstone/load.mjs";
import { recorded, reduced } from "./capstone/rewrite.mjs";
import { parse } from "./capstone/wasm.mjs";
import { codeOf, instructionsFor } from "./capstone/words.mjs";

export { codeOf, EXPORTED, loaderOf, parse, recorded, reduced };

const { ARCH_ARM64, ARCH_PPC, ARCH_X86, MODE_64, MODE_ARM, MODE_LITTLE_ENDIAN, OPT_SYNTAX, OPT_SYNTAX_ATT } = NUMBERS;
/** As disassemble.ts opens them. */
const OPENED = {
  ppc64le: { arch: ARCH_PPC, mode: MODE_64 | MODE_LITTLE_ENDIAN, options: [] },
  arm64: { arch: ARCH_ARM64, mode: MODE_ARM, options: [] },
  x86_64: { arch: ARCH_X86, mode: MODE_64, options: [[OPT_SYNTAX, OPT_SYNTAX_ATT]] },
};
/** Places of instructions: some decide how the target of a branch is written. */
const ADDRESSES = [0, 0x1000, 0x12345678, 2 ** 40];

/** Capstone's module as npm has it. */
export const wasmPath = () =>
  createRequire(import.meta.url)
    .resolve("@alexaltea/capstone-js")
    .replace(/js$/, "wasm");

/** Decodes instructions and tells what was needed for them. */
export class Recorder {
  #recording;
  #instance;
  #count = 0;

  /** @param recording what `recorded` gives @param arch klplink's name for it */
  constructor(recording, arch) {
    const { arch: number, mode, options } = OPENED[arch];
    this.#recording = recording;
    this.#instance = new Instance(new WebAssembly.Module(recording.bytes), number, mode);
    for (const [option, value] of options) this.#instance.option(option, value);
  }

  /** The first instruction in `bytes`; null if there is none. */
  decode(bytes) {
    return this.#instance.first(bytes, ADDRESSES[this.#count++ % ADDRESSES.length]);
  }

  /** The notes so far, a byte each: of points, then of blocks. Not a copy. */
  get notes() {
    const { points, pointCount, blockCount } = this.#recording;
    return this.#instance.memory.subarray(points, points + pointCount + blockCount);
  }

  /** A module for what was decoded. @param whole what `parse` gives */
  reduced(whole) {
    const { notes } = this;
    const { pointCount } = this.#recording;
    return reduced(whole, {
      hasRun: (point) => notes[point] === 1,
      isTouched: (block) => notes[pointCount + block] === 1,
      exported: EXPORTED,
    });
  }
}

/** Writes dist/capstone, but for the program. @returns the file of npm's that all is made of, from `root` on */
export function writeCapstone(root, folder) {
  const wasm = wasmPath();
  mkdirSync(folder, { recursive: true });
  for (const file of [wasm, join(dirname(wasm), "../LICENSE")]) copyFileSync(file, join(folder, basename(file)));
  const whole = parse(readFileSync(wasm));
  const recording = recorded(whole);
  for (const arch of Object.keys(OPENED)) {
    const recorder = new Recorder(recording, arch);
    for (const bytes of instructionsFor(root, arch)) recorder.decode(bytes);
    writeFileSync(join(folder, `${arch}.wasm`), recorder.reduced(whole));
  }
  return relative(root, wasm);
}

/** As {@link writeCapstone}, beside what else goes on. */
export const writeCapstoneBeside = (root, folder) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { root, capstoneFolder: folder } });
    worker.once("message", resolve).once("error", reject);
  });

if (!isMainThread && workerData?.capstoneFolder !== undefined)
  parentPort.postMessage(writeCapstone(workerData.root, workerData.capstoneFolder));
