// What the files of a kernel tell as one file of our own, which is read in milliseconds. Numbers are in the machine's byte order, and the
// file is for the very version that wrote it: it is a copy of what can be made again.
//
//	magic and version, 16 bytes | SHA-256 of all that follows, 32 bytes | length of the header, 8 bytes | header (JSON) | columns

import { createHash } from "node:crypto";
import { latin1 } from "../../base/bytes.ts";
import { listOf, natural, orNull, record, text, truth, tuple } from "../../base/shape.ts";
import type { FtraceRecords } from "../image/ftraceLookup.ts";
import type { LivepatchStack } from "../image/livepatchStack.ts";
import type { Vmlinux } from "../image/vmlinuxFacts.ts";
import type { Kernel, KernelParts } from "../kernel.ts";
import { findKernelMachine } from "../machines.ts";
import type { ThisModule } from "../module/moduleFile.ts";
import type { Export } from "../symbols/exports.ts";
import { SymbolList } from "../symbols/symbolList.ts";
import { columnsOf, StoredSymbols } from "./symbols.ts";

/** The file is damaged, or of another form. */
export class StoredError extends Error {}

/** Changes with the form. */
const MAGIC = "klplink-index/2\n";
const DIGEST = 32;
const START = MAGIC.length + DIGEST + 8;

type ExportRow = readonly [string, string, number | null, boolean | null, string | null];

interface Header {
  /** What the file is of: the caller's own word for it. */
  readonly key: string;
  readonly list: {
    readonly source: string;
    readonly kind: SymbolList["kind"];
    readonly hasExports: boolean;
    readonly hasData: boolean;
  } | null;
  readonly vmlinux: {
    readonly release: string | null;
    readonly vermagic: string | null;
    readonly machine: number;
    readonly exports: readonly ExportRow[];
    readonly livepatchStack: LivepatchStack | null;
    readonly config: readonly (readonly [string, string])[] | null;
    readonly records: { readonly init: readonly [string, string] | null } | null;
    readonly hasSites: boolean;
    readonly hasSealed: boolean;
  } | null;
  readonly symvers: { readonly source: string; readonly exports: readonly ExportRow[] } | null;
  readonly config: { readonly source: string; readonly options: readonly (readonly [string, string])[] } | null;
  readonly structModule: ThisModule | null;
  readonly hasLivepatch: boolean | null;
  /** Bytes of each column, in order; each begins at a multiple of 8. */
  readonly columns: readonly number[];
}

const exportRows = listOf(tuple(text, text, orNull(natural), orNull(truth), orNull(text)));
const options = listOf(tuple(text, text));
/** What is read of a header: its digest says that it was not damaged, not that it was written here. */
const HEADER = record({
  key: text,
  list: record({ source: text, kind: text, hasExports: truth, hasData: truth }),
  vmlinux: orNull(
    record({
      release: orNull(text),
      vermagic: orNull(text),
      machine: natural,
      exports: exportRows,
      livepatchStack: orNull(record({})),
      config: orNull(options),
      records: orNull(record({ init: orNull(tuple(text, text)) })),
      hasSites: truth,
      hasSealed: truth,
    }),
  ),
  symvers: orNull(record({ source: text, exports: exportRows })),
  config: orNull(record({ source: text, options })),
  structModule: orNull(record({ size: natural })),
  hasLivepatch: orNull(truth),
  columns: listOf(natural),
});

const rowOf = (e: Export): ExportRow => [e.name, e.owner, e.crc, e.gplOnly, e.namespace];
const exportOf = ([name, owner, crc, gplOnly, namespace]: ExportRow): Export => ({
  name,
  owner,
  crc,
  gplOnly,
  namespace,
});

const padded = (size: number): number => Math.ceil(size / 8) * 8;

/**
 * The parts of a kernel as a file; null for what is not kept: lists of a running kernel with its modules, and debug information.
 * @param kernel made of the same parts @param key what {@link readStored} is to find again
 */
export function writeStored(parts: KernelParts, kernel: Kernel, key: string): Uint8Array | null {
  const { vmlinux, symvers, config } = parts;
  const list = parts.list ?? vmlinux?.list ?? null;
  if (list === null || list.hasModules || (parts.list !== undefined && vmlinux !== undefined)) return null;
  if ((parts.modules ?? []).length > 0) return null;
  const symbols = columnsOf(list.symbols(), list.size);
  const records = vmlinux?.ftraceRecords ?? null;
  const none = new BigUint64Array(0);
  const columns = [
    ...[symbols.offsets, symbols.order, symbols.addresses, symbols.letters, symbols.names],
    ...[vmlinux?.ftraceSites ?? none, records?.sites ?? none, records?.orphans ?? none, vmlinux?.sealed ?? none],
  ].map((c) => new Uint8Array(c.buffer, c.byteOffset, c.byteLength));
  const header: Header = {
    key,
    list: { source: list.source, kind: list.kind, hasExports: list.hasExports, hasData: list.hasData },
    vmlinux:
      vmlinux === undefined
        ? null
        : {
            release: vmlinux.release,
            vermagic: vmlinux.vermagic,
            machine: vmlinux.machine,
            exports: Array.from(vmlinux.exports.values(), rowOf),
            livepatchStack: vmlinux.livepatchStack,
            config: vmlinux.config === null ? null : [...vmlinux.config],
            records:
              records === null
                ? null
                : { init: records.init === null ? null : [`${records.init.start}`, `${records.init.end}`] },
            hasSites: vmlinux.ftraceSites !== null,
            hasSealed: vmlinux.sealed !== null,
          },
    symvers: symvers === undefined ? null : { source: symvers.source, exports: symvers.exports.map(rowOf) },
    config: config === undefined ? null : { source: config.source, options: [...config.options] },
    structModule: kernel.structModule,
    hasLivepatch: kernel.hasLivepatch,
    columns: columns.map((c) => c.length),
  };
  const head = Buffer.from(JSON.stringify(header));
  const size = columns.reduce((sum, c) => sum + padded(c.length), START + padded(head.length));
  const out = Buffer.alloc(size);
  out.write(MAGIC, 0, "latin1");
  out.writeBigUInt64LE(BigInt(head.length), MAGIC.length + DIGEST);
  head.copy(out, START);
  let at = START + padded(head.length);
  for (const column of columns) {
    out.set(column, at);
    at += padded(column.length);
  }
  createHash("sha256")
    .update(out.subarray(MAGIC.length + DIGEST))
    .digest()
    .copy(out, MAGIC.length);
  return out;
}

/**
 * The parts of a kernel that {@link writeStored} wrote.
 * @throws StoredError if the bytes are damaged, of another form, or of something else than `key`
 */
export function readStored(file: Uint8Array, key: string): KernelParts {
  // Columns of 8 bytes need their place in memory.
  const bytes = file.byteOffset % 8 === 0 ? file : new Uint8Array(file);
  if (latin1(bytes, 0, MAGIC.length) !== MAGIC || bytes.length < START) throw new StoredError("another form");
  const digest = createHash("sha256")
    .update(bytes.subarray(MAGIC.length + DIGEST))
    .digest();
  if (digest.compare(bytes, MAGIC.length, MAGIC.length + DIGEST) !== 0) throw new StoredError("damaged");
  try {
    const length = Number(Buffer.from(bytes.buffer, bytes.byteOffset).readBigUInt64LE(MAGIC.length + DIGEST));
    const header = JSON.parse(Buffer.from(bytes.subarray(START, START + length)).toString()) as Header;
    if (!HEADER(header)) throw new StoredError("another form");
    if (header.key !== key) throw new StoredError("of something else");
    return partsOf(header, columnsIn(bytes, START + padded(length), header.columns));
  } catch (error) {
    throw error instanceof StoredError ? error : new StoredError("damaged");
  }
}

function columnsIn(bytes: Uint8Array, start: number, sizes: readonly number[]): Uint8Array[] {
  let at = start;
  return sizes.map((size) => {
    const column = bytes.subarray(at, at + size);
    if (column.length !== size) throw new StoredError("cut off");
    at += padded(size);
    return column;
  });
}

function partsOf(header: Header, columns: readonly Uint8Array[]): KernelParts {
  const column = (k: number): Uint8Array => {
    const found = columns[k];
    if (found === undefined) throw new StoredError("cut off");
    return found;
  };
  const words = (k: number): Uint32Array =>
    new Uint32Array(column(k).buffer, column(k).byteOffset, column(k).length / 4);
  const longs = (k: number): BigUint64Array =>
    new BigUint64Array(column(k).buffer, column(k).byteOffset, column(k).length / 8);
  const { list, vmlinux, symvers, config } = header;
  if (list === null) throw new StoredError("no list");
  const rows = new StoredSymbols({
    offsets: words(0),
    order: words(1),
    addresses: longs(2),
    letters: column(3),
    names: column(4),
  });
  const symbols = new SymbolList(list.source, list.kind, rows, new Map(), list);
  return {
    ...(vmlinux === null ? { list: symbols } : { vmlinux: vmlinuxOf(vmlinux, symbols, longs) }),
    symvers: symvers === null ? undefined : { source: symvers.source, exports: symvers.exports.map(exportOf) },
    config: config === null ? undefined : { source: config.source, options: new Map(config.options) },
    structModule: header.structModule,
    hasLivepatch: header.hasLivepatch,
  };
}

function vmlinuxOf(
  stored: NonNullable<Header["vmlinux"]>,
  list: SymbolList,
  longs: (column: number) => BigUint64Array,
): Vmlinux {
  const machine = findKernelMachine(stored.machine);
  const init = stored.records?.init ?? null;
  const records: FtraceRecords | null =
    stored.records === null || machine === null
      ? null
      : {
          sites: longs(6),
          orphans: longs(7),
          init: init === null ? null : { start: BigInt(init[0]), end: BigInt(init[1]) },
          machine,
        };
  return {
    list,
    exports: new Map(stored.exports.map((row) => [row[0], exportOf(row)])),
    release: stored.release,
    vermagic: stored.vermagic,
    ftraceSites: stored.hasSites ? longs(5) : null,
    ftraceRecords: records,
    sealed: stored.hasSealed ? longs(8) : null,
    machine: stored.machine,
    livepatchStack: stored.livepatchStack,
    btf: null,
    config: stored.config === null ? null : new Map(stored.config),
    debug: null,
    sourceFiles: () => null,
  };
}
