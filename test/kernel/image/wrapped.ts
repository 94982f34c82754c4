// Kernels wrapped as boot loaders take them, with only the fields that matter (Documentation/arch/x86/boot.rst; drivers/firmware/efi/libstub;
// U-Boot's include/image.h; the PE/COFF specification).

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
