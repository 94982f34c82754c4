// Capstone's module written anew, in two ways. `recorded` notes which parts of its functions run and which blocks of its data they touch.
// `reduced` keeps what was noted, at the addresses where it was: a run that needs more, code or data, ends in a trap (WebAssembly.RuntimeError),
// never in another answer, whatever the notes say.
//
// A function's body is a tree of sequences of instructions, and a sequence is only ever left, never entered, between its *points*: where it begins,
// behind each block in it, and behind each br_if. What lies between a point that no run came to and the end of its sequence cannot
// have run either, and is replaced by `unreachable`.
import {
  F32,
  F64,
  I32,
  I64,
  MEMORY_COPY,
  MEMORY_FILL,
  OP,
  SECTION,
  section,
  signed,
  unsigned,
  VOID,
  walk,
} from "./wasm.mjs";

/** Blocks of data of which is known whether they are touched, bytes; a power of two. */
const BLOCK_BITS = 6;
const BLOCK = 1 << BLOCK_BITS;
/** The widest load or store, bytes. */
const WIDEST = 8;
const PAGE = 1 << 16;

const isOpening = (op) => op === OP.block || op === OP.loop || op === OP.if;
const isAccess = (op) => op >= OP.firstLoad && op <= OP.lastStore;
/** Behind the bytes that the data section fills. */
const endOfData = ({ data }) => Math.max(...data.map(({ offset, bytes }) => offset + bytes.length));

/** What a load gives, or a store takes. */
function typeOfAccess(op) {
  if (op === 0x2a || op === 0x38) return F32;
  if (op === 0x2b || op === 0x39) return F64;
  return op === 0x29 || (op >= 0x30 && op <= 0x35) || op === 0x37 || (op >= 0x3c && op <= OP.lastStore) ? I64 : I32;
}

/** Functions put behind those of the module, and the types they need. */
class Added {
  constructor(types, firstIndex) {
    this.types = types;
    this.firstIndex = firstIndex;
    this.functions = [];
    this.byKey = new Map();
  }
  typeOf(takes, gives) {
    const key = ({ takes: t, gives: g }) => `${t}:${g}`;
    const wanted = { takes, gives };
    const known = this.types.findIndex((type) => key(type) === key(wanted));
    return known < 0 ? this.types.push(wanted) - 1 : known;
  }
  /** Index of a function that is made when it is first asked for. @param body locals and instructions */
  index(key, makeBody, takes, gives) {
    let index = this.byKey.get(key);
    if (index === undefined) {
      index = this.firstIndex + this.functions.length;
      this.byKey.set(key, index);
      this.functions.push({ type: this.typeOf(takes, gives), body: makeBody() });
    }
    return index;
  }
}

const get = (local) => [OP.localGet, local];
const set = (local) => [OP.localSet, local];
const constant = (value) => [OP.i32Const, ...signed(value)];
const TRAP_IF = [OP.if, VOID, OP.unreachable, OP.end];

/** In place of a load or store: (address, value of a store, offset). `look` is what is done with the number of a block that lies in the data. */
function accessBody(op, end, look) {
  const isStore = op >= OP.firstStore;
  const offset = isStore ? 2 : 1;
  return [
    0,
    // The sum must not wrap around: there is no memory at 2^32 and beyond.
    ...[...get(0), ...get(offset), OP.i32Add, OP.localTee, 0, ...get(offset), OP.i32LtU, ...TRAP_IF],
    ...[...get(0), ...constant(end), OP.i32LtU, OP.if, VOID, ...look(get(0), WIDEST), OP.end],
    ...[...get(0), ...(isStore ? get(1) : []), op, 0, 0, OP.end],
  ];
}

/** In place of memory.copy and memory.fill: (where to, where from or a value, length). Each block of both places is looked at. */
function bulkBody(more, end, look) {
  const at = 3;
  const eachBlock = (from) => [
    ...[...get(from), ...set(at), OP.loop, VOID],
    ...[...get(at), ...get(from), ...get(2), OP.i32Add, OP.i32LtU, ...get(at), ...constant(end), OP.i32LtU, OP.i32And],
    ...[OP.if, VOID, ...look(get(at), 1)],
    ...[...get(at), ...constant(BLOCK - 1), OP.i32Or, ...constant(1), OP.i32Add, ...set(at), OP.br, 1, OP.end, OP.end],
  ];
  const isCopy = more === MEMORY_COPY;
  return [
    ...[1, 1, I32, ...eachBlock(0), ...(isCopy ? eachBlock(1) : [])],
    ...[...get(0), ...get(1), ...get(2), OP.more, more, 0, ...(isCopy ? [0] : []), OP.end],
  ];
}

/** Whether a point is behind an instruction. */
const isBeforePoint = (op) => isOpening(op) || op === OP.else || op === OP.end || op === OP.brIf;

/** Number of the point at which each function begins, and, last, how many points there are. */
function firstPoints({ bytes, bodies }) {
  const firsts = [0];
  let point = 0;
  for (const body of bodies) {
    walk(bytes, body, (op) => {
      // One stands where the function begins, none behind its last `end`.
      if (isBeforePoint(op)) point++;
    });
    firsts.push(point);
  }
  return firsts;
}

/**
 * The functions' bodies, as lists of parts.
 * @param atPoint what is put at a point, by its number; null: the rest of its sequence is left out
 * @param access what is put for a load, a store, memory.copy or memory.fill; null: as it is
 * @param indexOf a function's new index; undefined: it is never called
 */
function bodiesOf({ bytes, bodies }, { atPoint, access, indexOf }) {
  let point = 0;
  return bodies.map((body) => {
    const parts = [];
    /** How deep in a sequence that is being left out; 0: in none. */
    let left = 0;
    const begin = () => {
      const put = atPoint(point++);
      if (put === null) left = 1;
      parts.push(put ?? [OP.unreachable]);
    };
    const instructions = [];
    const first = walk(bytes, body, (...instruction) => instructions.push(instruction));
    parts.push(bytes.subarray(body.at, first));
    begin();
    instructions.forEach(([op, operand, from, to], i) => {
      if (left > 1 || (left === 1 && op !== OP.else && op !== OP.end)) {
        if (isOpening(op)) left++;
        if (op === OP.end) left--;
        if (isBeforePoint(op)) point++;
        return;
      }
      left = 0;
      if (op === OP.call) {
        const index = indexOf(operand);
        parts.push(index === undefined ? [OP.unreachable] : [OP.call, ...unsigned(index)]);
      } else parts.push(access(op, operand) ?? bytes.subarray(from, to));
      if (isBeforePoint(op) && i < instructions.length - 1) begin();
    });
    return parts;
  });
}

/**
 * What is put for accesses to memory: calls of functions that look at the block first.
 * @param look instructions for a block of data: (instructions that give an address, bytes from there on)
 */
const accessBy = (look, end, added) => (op, operand) => {
  if (isAccess(op)) {
    const type = typeOfAccess(op);
    const [takes, gives] = op >= OP.firstStore ? [[I32, type, I32], []] : [[I32, I32], [type]];
    const index = added.index(op, () => accessBody(op, end, look), takes, gives);
    return [...constant(operand), OP.call, ...unsigned(index)];
  }
  if (op !== OP.more || (operand !== MEMORY_COPY && operand !== MEMORY_FILL)) return null;
  const index = added.index(`bulk ${operand}`, () => bulkBody(operand, end, look), [I32, I32, I32], []);
  return [OP.call, ...unsigned(index)];
};

/** The module of sections, of which some are replaced; null leaves one out. */
function moduleOf({ bytes, raw }, replaced) {
  const sections = [...raw].map(([id, body]) => (id in replaced ? replaced[id] : section(id, body)));
  return Buffer.concat([bytes.subarray(0, 8), ...sections.filter((part) => part !== null)]);
}

const typeSection = (types) =>
  section(SECTION.type, [
    ...unsigned(types.length),
    ...types.flatMap(({ takes, gives }) => [0x60, takes.length, ...takes, gives.length, ...gives]),
  ]);
const functionSection = (types) => section(SECTION.function, [types.length, ...types].flatMap(unsigned));
const memorySection = (pages) => section(SECTION.memory, [1, 0, ...unsigned(pages)]);
const codeSection = (bodies) =>
  section(SECTION.code, unsigned(bodies.length), ...bodies.flatMap((body) => [unsigned(body.length), body]));
const dataSection = (segments) =>
  section(
    SECTION.data,
    unsigned(segments.length),
    ...segments.flatMap(({ offset, bytes }) => [[0, ...constant(offset), OP.end, ...unsigned(bytes.length)], bytes]),
  );
const joined = (parts) => Buffer.concat(parts.map((part) => Uint8Array.from(part)));

/**
 * The module with notes of its runs: a byte of memory a point, from address `points` on, and one a block of data, from `blocks` on, are 1
 * where they ran or were touched. The module's own memory lies below.
 */
export function recorded(module) {
  const end = endOfData(module);
  const pointCount = firstPoints(module).at(-1);
  const blockCount = Math.ceil(end / BLOCK) + 1;
  // Far beyond what it allocates for an instruction.
  const points = (module.memory[0] + 256) * PAGE;
  const blocks = points + pointCount;
  const note = (address) => [...address, ...constant(1), OP.i32Store8, 0];
  const look = (address, width) =>
    (width === 1 ? [0] : [0, width - 1]).flatMap((more) => [
      ...note([...address, ...constant(more), OP.i32Add, ...constant(BLOCK_BITS), OP.i32ShrU]),
      ...unsigned(blocks),
    ]);
  const types = [...module.types];
  const count = module.functionTypes.length;
  const added = new Added(types, module.imports.length + count);
  const bodies = bodiesOf(module, {
    atPoint: (point) => [...note(constant(point)), ...unsigned(points)],
    access: accessBy(look, end, added),
    indexOf: (index) => index,
  }).map(joined);
  const bytes = moduleOf(module, {
    [SECTION.type]: typeSection(types),
    [SECTION.function]: functionSection([...module.functionTypes, ...added.functions.map(({ type }) => type)]),
    [SECTION.memory]: memorySection(Math.ceil((blocks + blockCount) / PAGE)),
    [SECTION.code]: codeSection([...bodies, ...added.functions.map(({ body }) => body)]),
  });
  return { bytes, points, pointCount, blocks, blockCount };
}

/** Parts of data that were touched: as many blocks in a row as there are. */
function rangesOf(isTouched, count) {
  const ranges = [];
  for (let block = 0; block < count; block++) {
    if (!isTouched(block)) continue;
    const last = ranges.at(-1);
    if (last?.to === block) last.to++;
    else ranges.push({ from: block, to: block + 1 });
  }
  return ranges;
}

/** The data that is kept, with the map that tells what is: one byte a block, 1 for the touched ones. @returns segments, and the map's address */
function keptData(module, end, isTouched) {
  const image = Buffer.alloc(end + WIDEST);
  for (const { offset, bytes } of module.data) image.set(bytes, offset);
  const blockCount = Math.ceil(end / BLOCK);
  const ranges = rangesOf(isTouched, blockCount);
  const segments = ranges.map(({ from, to }) => {
    // What is read at a block's end may end in the next one.
    const last = Math.min(to * BLOCK + WIDEST - 1, end);
    return { offset: from * BLOCK, bytes: image.subarray(from * BLOCK, last) };
  });
  // It lies where nothing is kept: what a store at a block's end writes behind that does not reach it.
  const blocksOfMap = Math.ceil(blockCount / BLOCK);
  const gap = ranges.findIndex(({ to }, i) => (ranges[i + 1]?.from ?? blockCount) - to > blocksOfMap + 1);
  if (gap < 0) throw new Error("capstone.wasm: no room between data");
  const map = (ranges[gap].to + 1) * BLOCK;
  for (const { from, to } of ranges) segments.push({ offset: map + from, bytes: Buffer.alloc(to - from, 1) });
  return { segments, map };
}

/**
 * The module without what no run came to, and without imports.
 * @param hasRun by a point's number @param isTouched by a block's number @param exported names of the exports that stay
 */
export function reduced(module, { hasRun, isTouched, exported }) {
  const end = endOfData(module);
  const { segments, map } = keptData(module, end, isTouched);
  const look = (address) => [
    ...[...address, ...constant(BLOCK_BITS), OP.i32ShrU, OP.i32Load8U, 0, ...unsigned(map)],
    ...[OP.i32Eqz, ...TRAP_IF],
  ];
  const firsts = firstPoints(module);
  const kept = module.bodies.flatMap((_, i) => (hasRun(firsts[i]) ? [i] : []));
  const newIndex = new Map(kept.map((i, at) => [module.imports.length + i, at]));
  const types = [...module.types];
  // What the table has of functions that are left out: calling it is a trap, whatever it is taken for.
  const none = kept.length;
  const added = new Added(types, none + 1);
  const typeOfNone = added.typeOf([], []);
  const all = bodiesOf(module, {
    atPoint: (point) => (hasRun(point) ? [] : null),
    access: accessBy(look, end, added),
    indexOf: (index) => newIndex.get(index),
  });
  const bodies = [...kept.map((i) => joined(all[i])), [0, OP.unreachable, OP.end]];
  const exports = module.exports.filter(({ name }) => exported.includes(name));
  return moduleOf(module, {
    [SECTION.type]: typeSection(types),
    [SECTION.import]: null,
    [SECTION.function]: functionSection([
      ...[...kept.map((i) => module.functionTypes[i]), typeOfNone],
      ...added.functions.map(({ type }) => type),
    ]),
    [SECTION.export]: section(
      SECTION.export,
      unsigned(exports.length),
      ...exports.flatMap(({ name, kind, index }) => [
        [name.length],
        Buffer.from(name, "latin1"),
        [kind, ...unsigned(kind === 0 ? (newIndex.get(index) ?? none) : index)],
      ]),
    ),
    [SECTION.element]: section(
      SECTION.element,
      unsigned(module.elements.length),
      ...module.elements.flatMap(({ offset, functions }) => [
        [0, ...constant(offset), OP.end, ...unsigned(functions.length)],
        functions.flatMap((index) => unsigned(newIndex.get(index) ?? none)),
      ]),
    ),
    [SECTION.code]: codeSection([...bodies, ...added.functions.map(({ body }) => body)]),
    [SECTION.data]: dataSection(segments),
    [SECTION.dataCount]: null,
  });
}
