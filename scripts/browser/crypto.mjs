// What the library uses of node:crypto, where there is no Node.js.
import { sha256 } from "@noble/hashes/sha2.js";

export function createHash(name) {
  if (name !== "sha256") throw new Error(`no ${name} here`);
  const hash = sha256.create();
  return {
    update(bytes) {
      hash.update(bytes);
      return this;
    },
    digest: () => Buffer.from(hash.digest()),
  };
}
