// What the kernel's own decompressor refuses of a packed module that other readers take (CONFIG_MODULE_DECOMPRESS;
// kernel/module/decompress.c and lib/xz, lib/zstd, lib/zlib_inflate). kmod unpacks modules itself where the kernel does not offer to.

import type { Packing } from "../../elf/containers/packed.ts";
import { readXzForm, XZ_CHECKS, XZ_FILTERS, XZ_LZMA2 } from "../../elf/containers/xz.ts";
import { zstdWindow } from "../../elf/containers/zstd.ts";

/** What stands in the way, what the kernel prints, and how to pack the module in place of that. */
export interface PackingFault {
  readonly what: string;
  readonly message: string;
  readonly pack: string;
}

/** Filters that lib/xz knows, each by an option that is on unless CONFIG_EXPERT turns it off (XZ_DEC_X86 …); the last two since 6.12. */
const BCJ = new Set([4, 5, 7, 8, 9, 10, 11]);
/** ZSTD_MAXWINDOWSIZE_DEFAULT of lib/zstd: zstd_init_dstream leaves it in force. Bytes. */
const MOST_WINDOW = 2 ** 27 + 1;
/** RFC 1952: header checksum, extra field, comment. module_gzip_header_len steps over a file's name (8) only. */
const GZIP_UNKNOWN = 0x02 | 0x04 | 0x10;

/** Null if the kernel takes the file's form. The file is sound: it was unpacked. */
export function packingFault(bytes: Uint8Array, packing: Packing): PackingFault | null {
  switch (packing) {
    case "xz":
      return xzFault(bytes);
    case "zstd": {
      const window = zstdWindow(bytes);
      if (window <= MOST_WINDOW) return null;
      return {
        what: `the zstd data want a window of ${window} bytes; the kernel gives ${MOST_WINDOW}`,
        message: "ZSTD-decompression failed with status 16",
        pack: "zstd -19",
      };
    }
    case "gzip":
      if (((bytes[3] ?? 0) & GZIP_UNKNOWN) === 0) return null;
      return {
        what: "the gzip header has a field that the kernel does not step over (extra field, comment or checksum)",
        message: "decompression failed with status -3",
        pack: "gzip -n",
      };
  }
}

/** dec_stream_header and dec_block_header of lib/xz/xz_dec_stream.c end with XZ_OPTIONS_ERROR, 6. */
function xzFault(bytes: Uint8Array): PackingFault | null {
  const form = readXzForm(bytes);
  if (form === null) return null;
  const message = "decompression failed with status 6";
  const pack = "xz --check=crc32 --lzma2=dict=1MiB";
  if (form.check > 1) {
    const name = XZ_CHECKS[form.check] ?? `check ${form.check}`;
    return { what: `the xz data are checked by ${name}; the kernel knows CRC32 only`, message, pack };
  }
  const { filters } = form;
  const isKnown =
    filters.at(-1) === XZ_LZMA2 && (filters.length === 1 || (filters.length === 2 && BCJ.has(filters[0] ?? 0)));
  if (isKnown) return null;
  const names = filters.map((f) => XZ_FILTERS[f] ?? `filter ${f}`).join(" and ");
  return { what: `the xz data use ${names}; the kernel knows LZMA2, behind one BCJ filter at most`, message, pack };
}
