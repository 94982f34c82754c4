// Kernels wrapped as boot loaders take them, with only the fields that matter (Documentation/arch/x86/boot.rst; drivers/firmware/efi/libstub;
// U-Boot's include/image.h and doc/usage/fit; the Devicetree Specification; the PE/COFF specification).

export function bzImage(payload: Uint8Array, behind = 0): Buffer {
  const setup = Buffer.alloc(3 * 512);
  setup[0x1f1] = 2;
  setup.write("HdrS", 0x202, "latin1");
  setup.writeUInt16LE(0x20f, 0x206);
  setup.writeUInt32LE(64, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(64, 0x90), payload, Buffer.alloc(behind, 0xaa)]);
}

export function zboot(payload: Uint8Array): Buffer {
  const header = Buffer.alloc(64);
  header.write("MZ\0\0zimg", 0, "latin1");
  header.writeUInt32LE(64, 8);
  header.writeUInt32LE(payload.length, 12);
  return Buffer.concat([header, payload, Buffer.alloc(12)]);
}

export function uImage(payload: Uint8Array, kind = 0): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x27051956, 0);
  header.writeUInt32BE(payload.length, 12);
  header[31] = kind;
  return Buffer.concat([header, payload]);
}

export function unified(kernel: Uint8Array): Buffer {
  const headers = Buffer.alloc(512);
  headers.write("MZ", 0, "latin1");
  headers.writeUInt32LE(0x40, 0x3c);
  headers.write("PE\0\0", 0x40, "latin1");
  headers.writeUInt16LE(2, 0x46);
  headers.writeUInt16LE(16, 0x54);
  const table = 0x40 + 24 + 16;
  headers.write(".osrel", table, "latin1");
  headers.write(".linux", table + 40, "latin1");
  headers.writeUInt32LE(kernel.length, table + 48);
  headers.writeUInt32LE(kernel.length + 100, table + 56);
  headers.writeUInt32LE(512, table + 60);
  return Buffer.concat([headers, kernel, Buffer.alloc(100)]);
}

type Tree = { readonly [name: string]: Tree | string | number | Uint8Array };

/** A flattened device tree of version 17: strings end with a 0 byte, numbers are of 4 bytes. */
export function imageTree(tree: Tree, behind: Uint8Array = Buffer.alloc(0)): Buffer {
  const names: string[] = [];
  const words: Buffer[] = [];
  const word = (value: number): number => words.push(Buffer.from(Uint32Array.of(value).buffer).swap32());
  const padded = (bytes: Uint8Array): number => words.push(Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]));
  const offset = (name: string): number => {
    if (!names.includes(name)) names.push(name);
    return names.slice(0, names.indexOf(name)).reduce((sum, { length }) => sum + length + 1, 0);
  };
  const node = (name: string, content: Tree): void => {
    word(1);
    padded(Buffer.from(`${name}\0`));
    for (const [key, value] of Object.entries(content)) {
      if (typeof value === "object" && !(value instanceof Uint8Array)) {
        node(key, value);
        continue;
      }
      const number = typeof value === "number" ? Buffer.from(Uint32Array.of(value).buffer).swap32() : null;
      const bytes = number ?? (typeof value === "string" ? Buffer.from(`${value}\0`) : (value as Uint8Array));
      word(3);
      word(bytes.length);
      word(offset(key));
      padded(bytes);
    }
    word(2);
  };
  node("", tree);
  word(9);
  const structure = Buffer.concat(words);
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(""));
  const from = 40 + 16; // the header, and an empty list of reserved memory
  const size = from + structure.length + strings.length;
  const header = [0xd00dfeed, size, from, from + structure.length, 40, 17, 16, 0, strings.length, structure.length];
  const head = Buffer.from(Uint32Array.from(header).buffer).swap32();
  return Buffer.concat([head, Buffer.alloc(16), structure, strings, Buffer.alloc(-size & 3), behind]);
}

/** A kernel for U-Boot, as `mkimage -f auto` makes it. */
export const kernelTree = (kernel: Uint8Array): Buffer =>
  imageTree({
    images: { "kernel-1": { type: "kernel", os: "linux", data: kernel, "hash-1": { algo: "crc32" } } },
    configurations: { default: "conf-1", "conf-1": { kernel: "kernel-1" } },
  });
