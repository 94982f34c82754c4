// WebAssembly's binary format, as far as Capstone's module uses it: the core of version 1, sign extension, conversions that saturate,
// memory.copy and memory.fill (https://webassembly.github.io/spec/core/binary/). Anything else is refused, never passed over.

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;

export const SECTION = {
  type: 1,
  import: 2,
  function: 3,
  memory: 5,
  export: 7,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
};

/** Opcodes that the rewriting asks for by name. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  call: 0x10,
  callIndirect: 0x11,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalSet: 0x24,
  firstLoad: 0x28,
  i32Load8U: 0x2d,
  firstStore: 0x36,
  i32Store8: 0x3a,
  lastStore: 0x3e,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32LtU: 0x49,
  i32Add: 0x6a,
  i32And: 0x71,
  i32Or: 0x72,
  i32ShrU: 0x76,
  more: 0xfc,
};
/** Behind OP.more. */
export const MEMORY_COPY = 10;
export const MEMORY_FILL = 11;
/** The type of a block without a value. */
export const VOID = 0x40;
/** Instructions with one number: of a block's type, a label, a local, a global, a memory, or the constant. */
const HAS_NUMBER = new Set([
  ...[OP.block, OP.loop, OP.if, OP.br, OP.brIf, OP.memorySize, OP.memoryGrow, OP.i32Const, OP.i64Const],
  ...[0x20, 0x21, 0x22, 0x23, 0x24],
]);
/** unreachable, nop, else, end, return, drop, select. */
const BARE = new Set([OP.unreachable, 0x01, OP.else, OP.end, 0x0f, 0x1a, 0x1b]);

/** A number without sign, below 2^32. */
export function unsigned(value) {
  const bytes = [];
  let left = value;
  do {
    const low = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? low | 128 : low);
  } while (left > 0);
  return bytes;
}

/** A number of 32 bits with its sign. */
export function signed(value) {
  const bytes = [];
  for (let left = value | 0; ; left >>= 7) {
    const low = left & 127;
    if ((left >> 6 === 0 && left >= 0) || (left >> 6 === -1 && left < 0)) return [...bytes, low];
    bytes.push(low | 128);
  }
}

/** Reads from `at` on. */
export class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }
  byte() {
    return this.bytes[this.at++];
  }
  unsigned() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
  signed() {
    let value = 0;
    for (let shift = 0; ; ) {
      const byte = this.bytes[this.at++];
      value |= (byte & 127) << shift;
      shift += 7;
      if (byte < 128) return shift < 32 && byte & 64 ? value | (-1 << shift) : value;
    }
  }
  skipNumber() {
    while (this.bytes[this.at++] >= 128);
  }
  name() {
    const length = this.unsigned();
    this.at += length;
    return this.bytes.toString("latin1", this.at - length, this.at);
  }
  /** A list: its length, then what `read` takes. */
  list(read) {
    return Array.from({ length: this.unsigned() }, () => read());
  }
}

function expect(isSo, what) {
  if (!isSo) throw new Error(`capstone.wasm: ${what} is not what scripts/capstone/wasm.mjs knows`);
}

/** `i32.const` and its `end`. */
function readOffset(reader) {
  expect(reader.byte() === OP.i32Const, "an offset");
  const offset = reader.signed();
  expect(reader.byte() === OP.end, "an offset's end");
  return offset;
}

const READ = {
  [SECTION.type]: (r) =>
    r.list(() => {
      expect(r.byte() === 0x60, "a type");
      return { takes: r.list(() => r.byte()), gives: r.list(() => r.byte()) };
    }),
  [SECTION.import]: (r) => r.list(() => ({ from: [r.name(), r.name()], kind: r.byte(), type: r.unsigned() })),
  [SECTION.function]: (r) => r.list(() => r.unsigned()),
  [SECTION.memory]: (r) => r.list(() => (r.byte() === 0 ? [r.unsigned()] : [r.unsigned(), r.unsigned()])),
  [SECTION.export]: (r) => r.list(() => ({ name: r.name(), kind: r.byte(), index: r.unsigned() })),
  [SECTION.element]: (r) =>
    r.list(() => {
      expect(r.unsigned() === 0, "a table's segment");
      return { offset: readOffset(r), functions: r.list(() => r.unsigned()) };
    }),
  [SECTION.code]: (r) =>
    r.list(() => {
      const length = r.unsigned();
      const at = r.at;
      r.at += length;
      return { at, end: r.at };
    }),
  [SECTION.data]: (r) =>
    r.list(() => {
      expect(r.unsigned() === 0, "a segment of data");
      const offset = readOffset(r);
      const length = r.unsigned();
      r.at += length;
      return { offset, bytes: r.bytes.subarray(r.at - length, r.at) };
    }),
};

/** Of tables and globals, which stay as they are, and how many segments of data there are. No names, no function that starts by itself. */
const UNREAD = new Set([4, 6, SECTION.dataCount]);

/**
 * A module's sections: `raw` bytes of each by number, in their order, and what READ makes of them.
 * @param bytes a Buffer @throws for what is unknown here
 */
export function parse(bytes) {
  expect(bytes.readUInt32BE(0) === 0x0061736d && bytes.readUInt32LE(4) === 1, "the head");
  const raw = new Map();
  const read = {};
  for (const top = new Reader(bytes, 8); top.at < bytes.length; ) {
    const id = top.byte();
    const length = top.unsigned();
    expect(id in READ || UNREAD.has(id), `section ${id}`);
    raw.set(id, bytes.subarray(top.at, top.at + length));
    if (id in READ) read[id] = READ[id](new Reader(bytes, top.at));
    top.at += length;
  }
  const { [SECTION.import]: imports, [SECTION.memory]: memories } = read;
  expect(imports.every(({ kind }) => kind === 0) && memories.length === 1, "an import, or a second memory");
  return {
    bytes,
    raw,
    types: read[SECTION.type],
    imports,
    /** Type of each function that the module has itself. */
    functionTypes: read[SECTION.function],
    memory: memories[0],
    exports: read[SECTION.export],
    elements: read[SECTION.element],
    /** Where the body of each function is. */
    bodies: read[SECTION.code],
    data: read[SECTION.data],
  };
}

/** Moves `r` behind the operands of an instruction; returns the one that matters here: a function's index, an offset, the rest of an opcode. */
function readOperands(r, op) {
  if (op >= OP.firstLoad && op <= OP.lastStore) {
    r.skipNumber(); // its alignment
    return r.unsigned();
  }
  if (op === OP.call) return r.unsigned();
  if (op === OP.more) {
    const more = r.unsigned();
    expect(more < 8 || more === MEMORY_COPY || more === MEMORY_FILL, `instruction fc ${more}`);
    r.at += more === MEMORY_COPY ? 2 : more === MEMORY_FILL ? 1 : 0;
    return more;
  }
  if (op === OP.brTable) for (let left = r.unsigned(); left >= 0; left--) r.skipNumber();
  else if (op === OP.callIndirect) {
    r.skipNumber();
    r.skipNumber();
  } else if (op === OP.f32Const) r.at += 4;
  else if (op === OP.f64Const) r.at += 8;
  else if (HAS_NUMBER.has(op)) r.skipNumber();
  else expect(op < 0xc5 && (op >= OP.i32Eqz || BARE.has(op)), `instruction ${op.toString(16)}`);
  return 0;
}

/**
 * Instructions of a function's body: calls visit(opcode, operand, where it is, where it ends).
 * @returns where the first one is, behind the list of locals
 */
export function walk(bytes, { at, end }, visit) {
  const r = new Reader(bytes, at);
  for (let left = r.unsigned(); left > 0; left--) {
    r.skipNumber();
    r.byte();
  }
  const first = r.at;
  while (r.at < end) {
    const from = r.at;
    const op = r.byte();
    const operand = readOperands(r, op);
    visit(op, operand, from, r.at);
  }
  expect(r.at === end, "a function's end");
  return first;
}

/** A section of parts: bytes, or lists of them. */
export function section(id, ...parts) {
  const body = Buffer.concat(parts.map((part) => (part instanceof Uint8Array ? part : Uint8Array.from(part))));
  return Buffer.concat([Uint8Array.from([id, ...unsigned(body.length)]), body]);
}
