// createHash of node:crypto, as far as it is used: the whole text at once or in parts, SHA-256, in hexadecimal or as bytes.
import { sha256 } from "@noble/hashes/sha2.js";
import { Buffer } from "buffer/";

export function createHash(name) {
  if (name !== "sha256") throw new Error(`no ${name} in a browser`);
  const hash = sha256.create();
  return {
    update(data) {
      hash.update(typeof data === "string" ? new TextEncoder().encode(data) : data);
      return this;
    },
    digest(encoding) {
      const bytes = Buffer.from(hash.digest());
      return encoding === undefined ? bytes : bytes.toString(encoding);
    },
  };
}
