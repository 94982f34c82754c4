import { latin1, viewOf } from "../../base/bytes.ts";

/** Appended by the kernel's scripts/sign-file; kernel/module/signing.c looks for it at the very end. */
const MARKER = "~Module signature appended~\n";
const TRAILER_SIZE = 12;

/** The signature of a signed module: from `start` (file offset in bytes) to the file's end. */
export interface ModuleSignature {
  readonly start: number;
  /** Bytes of the PKCS#7 message, as the trailer says. */
  readonly messageSize: number;
}

/**
 * Finds a module signature at the end of the file (include/linux/module_signature.h: message, 12-byte
 * struct module_signature with a big-endian length, marker). Null if there is none. A marker whose length
 * field cannot be right is taken as a signature without a message: kernel and linker both drop it.
 */
export function findSignature(bytes: Uint8Array): ModuleSignature | null {
  const end = bytes.length - MARKER.length;
  if (end < TRAILER_SIZE || latin1(bytes, end) !== MARKER) return null;
  const messageSize = viewOf(bytes).getUint32(end - 4, false);
  const start = end - TRAILER_SIZE - messageSize;
  return start >= 64 ? { start, messageSize } : { start: end - TRAILER_SIZE, messageSize: 0 };
}
