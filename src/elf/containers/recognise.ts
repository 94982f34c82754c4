import { latin1 } from "../../base/bytes.ts";

const starts = (bytes: Uint8Array, ...magic: readonly number[]): boolean =>
  bytes.length >= magic.length && magic.every((b, i) => bytes[i] === b);

/** What a file that is not ELF most likely is, with what to do about it; for error messages only. */
export function fileKindOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return "the file is empty";
  if (starts(bytes, 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return "an .xz file: unpack it first (`xz -d`)";
  if (starts(bytes, 0x28, 0xb5, 0x2f, 0xfd)) return "a .zst file: unpack it first (`zstd -d`)";
  if (starts(bytes, 0x1f, 0x8b)) return "a .gz file: unpack it first (`gzip -d`)";
  if (starts(bytes, 0x42, 0x43, 0xc0, 0xde) || starts(bytes, 0xde, 0xc0, 0x17, 0x0b)) {
    return "LLVM bitcode: compile it to an object file first (no -flto)";
  }
  if (latin1(bytes, 0, 3) === "BZh") return "a .bz2 file: unpack it first (`bzip2 -d`)";
  if (starts(bytes, 0x04, 0x22, 0x4d, 0x18)) return "a .lz4 file: unpack it first (`lz4 -d`)";
  // arch/arm64/include/asm/image.h; Documentation/arch/x86/boot.rst.
  if (latin1(bytes, 0x38, 0x3c) === "ARM\x64" || latin1(bytes, 0x202, 0x206) === "HdrS")
    return "a bootable kernel image: give it with -k";
  if (latin1(bytes, 0, 8) === "!<arch>\n") return "an archive (.a): take the member out first (`ar x`)";
  if (latin1(bytes, 0, 8) === "!<thin>\n") return "a thin archive (.a): give its member instead";
  if (starts(bytes, 0x4d, 0x5a)) return "a PE/COFF file, or a kernel image with an EFI stub: a kernel goes with -k";
  if (starts(bytes, 0xcf, 0xfa, 0xed, 0xfe) || starts(bytes, 0xfe, 0xed, 0xfa, 0xcf)) return "a Mach-O file";
  if (/^[0-9a-f]{8,16} [A-Za-z?] /.test(latin1(bytes, 0, 24))) {
    return "a symbol list (System.map or kallsyms): give it with -k";
  }
  return isText(bytes) ? "a text file" : "an unknown kind of file";
}

/** Whether the first 512 bytes are printable ASCII and white space. */
export function isText(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 512).every((b) => b === 9 || b === 10 || b === 13 || (b >= 0x20 && b < 0x7f));
}
