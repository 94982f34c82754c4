// ELF64 fields by their file offset, straight from the gABI (chapter 4): for tests that break a field, or check one,
// without asking the reader that is under test.

export const ehdr = {
  e_type: 16,
  e_machine: 18,
  e_version: 20,
  e_shoff: 40,
  e_ehsize: 52,
  e_phnum: 56,
  e_shentsize: 58,
  e_shnum: 60,
  e_shstrndx: 62,
} as const;

export const shdr = {
  sh_name: 0,
  sh_type: 4,
  sh_flags: 8,
  sh_addr: 16,
  sh_offset: 24,
  sh_size: 32,
  sh_link: 40,
  sh_info: 44,
  sh_addralign: 48,
  sh_entsize: 56,
} as const;

const narrow: readonly string[] = ["sh_name", "sh_type", "sh_link", "sh_info"];

/** A copy of a file whose fields can be read and overwritten. Section index arguments are those of the file. */
export class Raw {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly littleEndian: boolean;

  constructor(source: Uint8Array) {
    this.bytes = Uint8Array.from(source);
    this.view = new DataView(this.bytes.buffer);
    this.littleEndian = this.bytes[5] === 1;
  }

  u16(at: number): number {
    return this.view.getUint16(at, this.littleEndian);
  }
  u32(at: number): number {
    return this.view.getUint32(at, this.littleEndian);
  }
  u64(at: number): number {
    return Number(this.view.getBigUint64(at, this.littleEndian));
  }
  set16(at: number, value: number): this {
    this.view.setUint16(at, value, this.littleEndian);
    return this;
  }
  set32(at: number, value: number): this {
    this.view.setUint32(at, value, this.littleEndian);
    return this;
  }
  set64(at: number, value: bigint): this {
    this.view.setBigUint64(at, value, this.littleEndian);
    return this;
  }

  get shoff(): number {
    return this.u64(ehdr.e_shoff);
  }
  get shnum(): number {
    return this.u16(ehdr.e_shnum) || this.u64(this.shoff + shdr.sh_size);
  }
  get shstrndx(): number {
    const index = this.u16(ehdr.e_shstrndx);
    return index === 0xffff ? this.u32(this.shoff + shdr.sh_link) : index;
  }
  /** File offset of a field of a section header. */
  at(section: number, field: keyof typeof shdr): number {
    return this.shoff + section * 64 + shdr[field];
  }
  get(section: number, field: keyof typeof shdr): number {
    return narrow.includes(field) ? this.u32(this.at(section, field)) : this.u64(this.at(section, field));
  }
  set(section: number, field: keyof typeof shdr, value: number | bigint): this {
    if (narrow.includes(field)) return this.set32(this.at(section, field), Number(value));
    return this.set64(this.at(section, field), BigInt(value));
  }
  name(section: number): string {
    const table = this.get(this.shstrndx, "sh_offset");
    const start = table + this.get(section, "sh_name");
    return Buffer.from(this.bytes.subarray(start, this.bytes.indexOf(0, start))).toString("latin1");
  }
  /** Index of the n-th section of a name. */
  find(name: string, nth = 0): number {
    let left = nth;
    for (let i = 0; i < this.shnum; i++) if (this.name(i) === name && left-- === 0) return i;
    throw new Error(`no section ${name}`);
  }
  /** Index of the first section of a type. */
  ofType(type: number): number {
    for (let i = 1; i < this.shnum; i++) if (this.get(i, "sh_type") === type) return i;
    throw new Error(`no section of type ${type}`);
  }
  /** File offset of byte `offset` of a section. */
  within(section: number, offset: number): number {
    return this.get(section, "sh_offset") + offset;
  }
}
