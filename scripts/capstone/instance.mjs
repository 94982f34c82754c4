// Capstone's WebAssembly, called without the program that npm's package has for it: that one starts asynchronously, and what takes
// over from a module that stopped (load.mjs) must be there while its caller waits.

/** Names that Emscripten gave the module's exports: as capstone.js of the package has them. */
const EXPORT = { memory: "d", start: "e", open: "j", option: "l", disassemble: "m", free: "n", allocate: "z" };
export const EXPORTED = Object.values(EXPORT);

/** Capstone's numbers, as far as they are used (include/capstone/capstone.h). */
export const NUMBERS = {
  ...{ ARCH_ARM64: 1, ARCH_X86: 3, ARCH_PPC: 4 },
  ...{ MODE_LITTLE_ENDIAN: 0, MODE_ARM: 0, MODE_64: 1 << 3 },
  ...{ OPT_SYNTAX: 1, OPT_SYNTAX_ATT: 2 },
};
/** `struct cs_insn` (id 4, alias 4, address 8): where its members begin; two texts that end with a zero byte. */
const INSN = { size: 16, mnemonic: 42, operands: 74 };
const PAGE = 1 << 16;

/** What the whole module asks for: more memory; and to write, which is left undone. */
const importsFor = (memory) => ({
  a: {
    a: (_file, parts, count, written) => {
      const view = new DataView(memory().buffer);
      let length = 0;
      for (let i = 0; i < count; i++) length += view.getUint32(parts + 8 * i + 4, true);
      view.setUint32(written, length, true);
      return 0;
    },
    b: (wanted) => {
      try {
        memory().grow(Math.ceil(((wanted >>> 0) - memory().buffer.byteLength) / PAGE));
        return 1;
      } catch {
        return 0;
      }
    },
    c: () => 0,
  },
});

/** A module that runs, for instructions of one architecture and mode. */
export class Instance {
  #exports;
  #handle;
  /** Where an instruction's bytes are put, and where Capstone puts the address of what it made of them. */
  #bytes;
  #found;

  /** @param module a WebAssembly.Module @throws if Capstone does not know the architecture, or the module stops */
  constructor(module, arch, mode) {
    const { exports } = new WebAssembly.Instance(
      module,
      importsFor(() => exports[EXPORT.memory]),
    );
    this.#exports = exports;
    this.#call("start");
    const place = this.#call("allocate", 4);
    if (this.#call("open", arch, mode, place) !== 0) throw new Error(`Capstone knows no architecture ${arch}`);
    this.#handle = this.#view().getUint32(place, true);
    this.#bytes = this.#call("allocate", 16);
    this.#found = this.#call("allocate", 4);
  }

  #call(name, ...values) {
    return this.#exports[EXPORT[name]](...values);
  }

  #view() {
    return new DataView(this.#exports[EXPORT.memory].buffer);
  }

  option(option, value) {
    if (this.#call("option", this.#handle, option, value) !== 0) throw new Error(`Capstone has no option ${option}`);
  }

  /** The module's memory, as long as that does not grow. */
  get memory() {
    return new Uint8Array(this.#exports[EXPORT.memory].buffer);
  }

  /** The first instruction in `bytes`, 16 at most; null if there is none. @throws if the module stops */
  first(bytes, address) {
    this.memory.set(bytes, this.#bytes);
    const count = this.#call("disassemble", this.#handle, this.#bytes, bytes.length, BigInt(address), 1, this.#found);
    if (count === 0) return null;
    const view = this.#view();
    const insn = view.getUint32(this.#found, true);
    const instruction = {
      size: view.getUint16(insn + INSN.size, true),
      mnemonic: textAt(view, insn + INSN.mnemonic),
      op_str: textAt(view, insn + INSN.operands),
    };
    this.#call("free", insn, count);
    return instruction;
  }
}

/** A text of ASCII characters. */
function textAt(view, address) {
  let text = "";
  for (let at = address; ; at++) {
    const byte = view.getUint8(at);
    if (byte === 0) return text;
    if (byte > 127) throw new Error("Capstone wrote what is not ASCII");
    text += String.fromCharCode(byte);
  }
}
