// Keys that sign modules, and a kernel that trusts one of them.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { unwrapKernel } from "../../../src/kernel/image/wrapping/unwrap.ts";

export interface SigningKey {
  readonly key: string;
  readonly certificate: string;
  /** The certificate as X.509 in DER. */
  readonly der: Buffer;
}

/** Makes a key and a certificate of its own, as certs/x509.genkey has it. */
export function makeKey(folder: string, name: string): SigningKey {
  const key = join(folder, `${name}.key`);
  const certificate = join(folder, `${name}.pem`);
  const make = ["req", "-new", "-x509", "-nodes", "-sha256", "-days", "36500", "-newkey", "rsa:2048"];
  const extensions = ["-addext", "keyUsage=critical,digitalSignature"];
  execFileSync(
    "openssl",
    [...make, "-subj", `/CN=klplink test ${name}`, ...extensions, "-keyout", key, "-out", certificate],
    { stdio: "pipe" },
  );
  const der = execFileSync("openssl", ["x509", "-in", certificate, "-outform", "DER"]);
  return { key, certificate, der };
}

/**
 * A kernel, unpacked, with a certificate in place of the one that its own modules are signed for. That one lies in its data, and behind
 * it how many bytes it has (certs/system_certificates.S, 6.1).
 */
export async function trusting(vmlinuz: string, { der }: SigningKey): Promise<Uint8Array> {
  const { bytes } = await unwrapKernel(readFileSync(vmlinuz));
  const kernel = Buffer.from(bytes);
  const found: { readonly at: number; readonly size: number }[] = [];
  const begin = Buffer.from([0x30, 0x82]);
  for (let at = kernel.indexOf(begin); at >= 0 && at + 4096 < kernel.length; at = kernel.indexOf(begin, at + 1)) {
    const length = kernel.readUInt16BE(at + 2) + 4;
    const size = Math.ceil((at + length) / 8) * 8;
    if (length < 4096 && kernel.readBigUInt64LE(size) === BigInt(length)) found.push({ at, size });
  }
  const [only, ...more] = found;
  if (only === undefined || more.length > 0)
    throw new Error(`${vmlinuz}: ${found.length} certificates look like its own`);
  if (der.length > only.size - only.at) throw new Error("the certificate is larger than the kernel's own");
  der.copy(kernel, only.at);
  kernel.writeBigUInt64LE(BigInt(der.length), only.size);
  return kernel;
}
