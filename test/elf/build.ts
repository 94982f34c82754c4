// Builds small ELF64 relocatable files for tests, so that shapes that no tool at hand makes can be read and edited.
// Layout as GNU as makes it: header, sections in order, section headers at the end.

export interface BuiltSection {
  readonly name: string;
  readonly type: number;
  readonly flags?: number;
  /** A section's name, or a number as it is. */
  readonly link?: string | number;
  readonly info?: string | number;
  readonly align?: number;
  readonly entsize?: number;
  readonly data?: Uint8Array;
  /** SHT_NOBITS. */
  readonly size?: number;
  /** SHT_RELA or SHT_REL: symbol is an index in the symbol table. */
  readonly relocations?: readonly { offset: number; symbol: number; type: number; addend?: bigint }[];
  /** SHT_GROUP: names of the members; the flag word is 1. */
  readonly members?: readonly string[];
}

export interface BuiltSymbol {
  readonly name: string;
  readonly bind?: number;
  readonly type?: number;
  readonly other?: number;
  /** A section's name or index, or a reserved index. Nothing: undefined. */
  readonly home?: string | number;
  readonly value?: bigint;
  readonly size?: number;
}

export interface Built {
  readonly littleEndian?: boolean;
  readonly machine?: number;
  readonly sections: readonly BuiltSection[];
  /** Without the null symbol; locals first. Leave out for a file without a symbol table. */
  readonly symbols?: readonly BuiltSymbol[];
  /** One string table for both kinds of names, as clang makes it. */
  readonly oneStringTable?: boolean;
  /** Makes an SHT_SYMTAB_SHNDX even when no index needs it. */
  readonly extended?: boolean;
  /** Section headers directly behind the ELF header. */
  readonly headersFirst?: boolean;
  /** Bytes behind everything. */
  readonly trailer?: Uint8Array;
}

class Strings {
  readonly #parts = [Buffer.alloc(1)];
  #size = 1;
  readonly #known = new Map([["", 0]]);
  add(name: string): number {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const at = this.#size;
    this.#parts.push(Buffer.from(`${name}\0`, "latin1"));
    this.#size += name.length + 1;
    this.#known.set(name, at);
    return at;
  }
  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

export function buildElf(built: Built): Uint8Array<ArrayBuffer> {
  const le = built.littleEndian ?? true;
  const sectionNames = new Strings();
  const symbolNames = built.oneStringTable ? sectionNames : new Strings();
  const all: (BuiltSection & { data: Uint8Array })[] = built.sections.map((s) => ({ ...s, data: s.data ?? none }));
  const hasSymbols = built.symbols !== undefined;
  const mayNeedExtended = built.extended === true || built.sections.length + 6 >= 0xff00;
  if (hasSymbols) {
    all.push({
      name: ".symtab",
      type: 2,
      link: built.oneStringTable ? ".shstrtab" : ".strtab",
      align: 8,
      entsize: 24,
      data: none,
    });
    if (mayNeedExtended)
      all.push({ name: ".symtab_shndx", type: 18, link: ".symtab", align: 4, entsize: 4, data: none });
    if (!built.oneStringTable) all.push({ name: ".strtab", type: 3, data: none });
  }
  all.push({ name: ".shstrtab", type: 3, data: none });
  const indexOf = new Map<string, number>();
  for (const [k, s] of all.entries()) if (!indexOf.has(s.name)) indexOf.set(s.name, k + 1);
  const resolve = (ref: string | number | undefined): number => {
    if (ref === undefined) return 0;
    if (typeof ref === "number") return ref;
    const index = indexOf.get(ref);
    if (index === undefined) throw new Error(`no section ${ref} to refer to`);
    return index;
  };
  const nameOffsets = all.map((s) => sectionNames.add(s.name));
  const infos = all.map((s) => resolve(s.info));

  const symbols = built.symbols ?? [];
  const table = new DataView(new ArrayBuffer((symbols.length + 1) * 24));
  const extended = new DataView(new ArrayBuffer((symbols.length + 1) * 4));
  let locals = 1;
  for (const [k, s] of symbols.entries()) {
    const at = (k + 1) * 24;
    if ((s.bind ?? 0) === 0) locals++;
    table.setUint32(at, symbolNames.add(s.name), le);
    table.setUint8(at + 4, ((s.bind ?? 0) << 4) | (s.type ?? 0));
    table.setUint8(at + 5, s.other ?? 0);
    const home = resolve(s.home);
    const isLong = home >= 0xff00 && typeof s.home === "string";
    table.setUint16(at + 6, isLong ? 0xffff : home, le);
    if (isLong) extended.setUint32((k + 1) * 4, home, le);
    table.setBigUint64(at + 8, s.value ?? 0n, le);
    table.setBigUint64(at + 16, BigInt(s.size ?? 0), le);
  }
  for (const [k, s] of all.entries()) {
    if (s.relocations !== undefined) s.data = relocationBytes(s, le);
    else if (s.members !== undefined) s.data = words([1, ...s.members.map(resolve)], le);
    else if (s.type === 2 && s.name === ".symtab") {
      s.data = new Uint8Array(table.buffer);
      infos[k] = locals;
    } else if (s.type === 18 && s.name === ".symtab_shndx") s.data = new Uint8Array(extended.buffer);
    else if (s.type === 3 && s.name === ".strtab") s.data = symbolNames.bytes();
    else if (s.type === 3 && s.name === ".shstrtab") s.data = sectionNames.bytes();
  }

  const count = all.length + 1;
  const headersFirst = built.headersFirst === true;
  let end = headersFirst ? 64 + count * 64 : 64;
  const offsets = all.map((s) => {
    const align = s.align ?? 1;
    end = Math.ceil(end / align) * align;
    const at = end;
    end += s.type === 8 ? 0 : s.data.length;
    return at;
  });
  const shoff = headersFirst ? 64 : Math.ceil(end / 8) * 8;
  const size = headersFirst ? end : shoff + count * 64;
  const out = new Uint8Array(size + (built.trailer?.length ?? 0));
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, le ? 1 : 2, 1]);
  view.setUint16(16, 1, le);
  view.setUint16(18, built.machine ?? 62, le);
  view.setUint32(20, 1, le);
  view.setBigUint64(40, BigInt(shoff), le);
  view.setUint16(52, 64, le);
  view.setUint16(58, 64, le);
  const names = resolve(".shstrtab");
  view.setUint16(60, count < 0xff00 ? count : 0, le);
  view.setUint16(62, names < 0xff00 ? names : 0xffff, le);
  if (count >= 0xff00) view.setBigUint64(shoff + 32, BigInt(count), le);
  if (names >= 0xff00) view.setUint32(shoff + 40, names, le);
  for (const [k, s] of all.entries()) {
    const at = shoff + (k + 1) * 64;
    view.setUint32(at, nameOffsets[k] ?? 0, le);
    view.setUint32(at + 4, s.type, le);
    view.setBigUint64(at + 8, BigInt(s.flags ?? 0), le);
    view.setBigUint64(at + 24, BigInt(offsets[k] ?? 0), le);
    view.setBigUint64(at + 32, BigInt(s.type === 8 ? (s.size ?? 0) : s.data.length), le);
    view.setUint32(at + 40, resolve(s.link), le);
    view.setUint32(at + 44, infos[k] ?? 0, le);
    view.setBigUint64(at + 48, BigInt(s.align ?? 1), le);
    view.setBigUint64(at + 56, BigInt(s.entsize ?? 0), le);
    if (s.type !== 8) out.set(s.data, offsets[k]);
  }
  if (built.trailer !== undefined) out.set(built.trailer, size);
  return out;
}

const none = new Uint8Array(0);

export function words(values: readonly number[], littleEndian = true): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.length * 4));
  for (const [k, v] of values.entries()) view.setUint32(k * 4, v, littleEndian);
  return new Uint8Array(view.buffer);
}

function relocationBytes(section: BuiltSection, le: boolean): Uint8Array {
  const row = section.type === 4 ? 24 : 16;
  const list = section.relocations ?? [];
  const view = new DataView(new ArrayBuffer(list.length * row));
  for (const [k, r] of list.entries()) {
    view.setBigUint64(k * row, BigInt(r.offset), le);
    view.setBigUint64(k * row + 8, (BigInt(r.symbol) << 32n) | BigInt(r.type), le);
    if (row === 24) view.setBigInt64(k * row + 16, r.addend ?? 0n, le);
  }
  return new Uint8Array(view.buffer);
}

/** A module signature as scripts/sign-file appends it: message, struct module_signature, marker. */
export function signatureTrailer(message: number, claimed = message): Uint8Array {
  const out = new Uint8Array(message + 12);
  out.fill(0x5a, 0, message);
  new DataView(out.buffer).setUint32(message + 8, claimed, false);
  return Buffer.concat([out, Buffer.from("~Module signature appended~\n", "latin1")]);
}
