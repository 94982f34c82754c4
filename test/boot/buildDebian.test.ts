// `klplink build` for Debian's x86_64 kernel, from its source package's tar file, with what a machine has below / of that kernel; and the
// module signed, for that kernel when it loads no other.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COUNT } from "./build/edits.ts";
import { LONG, onEach } from "./build/onEach.ts";
import { makeKey, trusting } from "./build/signing.ts";
import { targets } from "./build/targets.ts";
import { enter } from "./build/workshop.ts";
import { labOf } from "./lab.ts";
import type { Planned } from "./scenario.ts";
import { complaints, stepOf, textOf } from "./scenario.ts";

const lab = labOf(import.meta.url);
/** What the loader answers where it loads only what is signed. */
const EKEYREJECTED = 129;

describe.each(targets.filter((kind) => kind.name === "x86_64"))("$name", (kind) => {
  const shop = onEach(kind, lab.folder);

  test("signed by a key that the kernel trusts, it is loaded where nothing else is", { timeout: LONG }, async () => {
    const { folder, target } = shop();
    const [own, other] = [makeKey(folder, "own"), makeKey(folder, "other")];
    const patch = shop().patch("signed", COUNT);
    const signed = shop().livepatch("signed", patch, "--sign", own.key, own.certificate).file;
    const unknown = shop().livepatch("unknown", patch, "--sign", other.key, other.certificate).file;
    const plain = shop().livepatch("plain", patch).file;
    verify(signed, own.certificate, folder);
    expect(() => verify(unknown, own.certificate, folder)).toThrow();

    const image = join(folder, "vmlinux");
    writeFileSync(image, await trusting(target.image, own));
    const plan: Planned[] = [
      { line: "read /proc/version" },
      { line: "insmod /livepatch-plain.ko" },
      { line: "insmod /livepatch-unknown.ko" },
      ...enter("signed"),
      { line: "read /proc/version", output: /^Linux .*\npatched 1\n$/ },
    ];
    const booted = await shop().boot([plain, unknown, signed], plan, { image, append: "module.sig_enforce=1" });
    for (const [name, what] of [
      ["plain", "unsigned module"],
      ["unknown", "module with unavailable key"],
    ] as const) {
      const step = stepOf(booted, `insmod /livepatch-${name}.ko`);
      expect(step.result).toBe(EKEYREJECTED);
      expect(textOf(step)).toContain(`Loading of ${what} is rejected`);
    }
    expect(complaints(booted, plan).filter((c) => !/livepatch-(?:plain|unknown)\.ko/.test(c))).toEqual([]);
  });
});

/** What a signed module consists of (struct module_signature, 6.1: 12 bytes, the last four the signature's length, big-endian). */
function signatureOf(path: string): { readonly module: Buffer; readonly signature: Buffer } {
  const MAGIC = "~Module signature appended~\n";
  const bytes = readFileSync(path);
  expect(bytes.subarray(-MAGIC.length).toString("latin1")).toBe(MAGIC);
  const at = bytes.length - MAGIC.length;
  const length = bytes.readUInt32BE(at - 4);
  return { module: bytes.subarray(0, at - 12 - length), signature: bytes.subarray(at - 12 - length, at - 12) };
}

/** Verifies a module's signature by openssl. */
function verify(path: string, certificate: string, folder: string): void {
  const { module, signature } = signatureOf(path);
  const [content, message] = [join(folder, "content"), join(folder, "signature")];
  writeFileSync(content, module);
  writeFileSync(message, signature);
  const files = ["-in", message, "-content", content, "-certfile", certificate];
  execFileSync(
    "openssl",
    ["cms", "-verify", "-binary", "-inform", "DER", "-noverify", "-nointern", ...files, "-out", "/dev/null"],
    {
      stdio: "pipe",
    },
  );
}
