interface Hash {
  update(data: string | Uint8Array): Hash;
  digest(encoding: "hex"): string;
}
export function createHash(name: "sha256"): Hash;
