// What disassemble.ts takes of npm's @alexaltea/capstone-js, on the modules of dist/capstone. An architecture's own module has what its
// instructions need as far as the build found out (../capstone.mjs), and stops where more is needed, or is not there: then the whole
// one takes over for good, and says again what was asked.
import { setFlagsFromString } from "node:v8";
import { Instance, NUMBERS } from "./instance.mjs";

const FILES = {
  [NUMBERS.ARCH_PPC]: "ppc64le.wasm",
  [NUMBERS.ARCH_ARM64]: "arm64.wasm",
  [NUMBERS.ARCH_X86]: "x86_64.wasm",
};
const WHOLE = "capstone.wasm";

let areSet = false;
/**
 * Of the 3 MB of functions of the whole module only those are to be looked at that run, and V8's first compiler is enough: otherwise it takes
 * a tenth of a second. Engines of Node.js 20 to 24 have these flags; one that does not know a flag would say so on standard error.
 */
function setFlags() {
  if (areSet || !/^1[1-3]\./.test(process.versions.v8)) return;
  areSet = true;
  for (const flag of ["--liftoff-only", "--wasm-lazy-validation"]) setFlagsFromString(flag);
  // What is kept of V8's code (bin/codeKeeper.js) must fit the flags that the next run begins with.
  process.prependOnceListener("exit", () => {
    for (const flag of ["--no-liftoff-only", "--wasm-tier-up", "--wasm-dynamic-tiering", "--no-wasm-lazy-validation"])
      setFlagsFromString(flag);
  });
}

class ReducedCapstone {
  #read;
  #arch;
  #mode;
  #options = [];
  #instance = null;
  #isWhole = false;

  constructor(read, arch, mode) {
    this.#read = read;
    this.#arch = arch;
    this.#mode = mode;
    this.#ask(() => {});
  }

  /** Opens a module, and says to it what was said to the one before. */
  #open(name) {
    this.#instance = new Instance(new WebAssembly.Module(this.#read(name)), this.#arch, this.#mode);
    for (const [option, value] of this.#options) this.#instance.option(option, value);
  }

  /** What `question` gives of the module that is open; if that stops, of the whole one. */
  #ask(question) {
    if (!this.#isWhole) {
      try {
        if (this.#instance === null) this.#open(FILES[this.#arch]);
        return question(this.#instance);
      } catch {
        this.#isWhole = true;
        setFlags();
        this.#open(WHOLE);
      }
    }
    return question(this.#instance);
  }

  /** Whether the whole module decodes: for tests. */
  get isWhole() {
    return this.#isWhole;
  }

  option(option, value) {
    this.#ask((instance) => instance.option(option, value));
    this.#options.push([option, value]);
  }

  /** One instruction, whatever the most is. @throws if there is none, as npm's does */
  disasm(bytes, address) {
    const found = this.#ask((instance) => instance.first(bytes, address));
    if (found === null) throw new Error("no instruction");
    return [found];
  }
}

/** What npm's package exports. @param read gives the bytes of a file of dist/capstone by its name */
export const loaderOf = (read) => async () => ({
  ...NUMBERS,
  Capstone: class extends ReducedCapstone {
    constructor(arch, mode) {
      super(read, arch, mode);
    }
  },
});
