// What stands in for Node's own modules in the page, held to Node's.

import { createHash } from "node:crypto";
import { constants, deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import * as crypto from "../../scripts/browser/crypto.mjs";
import * as zlib from "../../scripts/browser/zlib.mjs";

const bytes = fc.uint8Array({ maxLength: 5000 }).chain((part) =>
  // Some that can be packed well.
  fc.nat(40).map((n) => Uint8Array.from({ length: part.length * n }, (_, i) => part[i % part.length] ?? 0)),
);
const outcome = (f: () => Uint8Array): string => {
  try {
    return Buffer.from(f()).toString("hex");
  } catch (error) {
    return (error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE" ? "too large" : "damaged";
  }
};

test("inflate and gunzip give what Node gives, up to the limit, and refuse what it refuses", () => {
  fc.assert(
    fc.property(bytes, fc.nat(200_000), fc.nat(5000), fc.boolean(), (content, limit, cut, isCut) => {
      for (const [pack, own, theirs] of [
        [deflateSync, zlib.inflateSync, inflateSync],
        [gzipSync, zlib.gunzipSync, gunzipSync],
        [deflateRawSync, zlib.inflateRawSync, inflateRawSync],
      ] as const) {
        const whole = pack(content, { level: 6, strategy: constants.Z_DEFAULT_STRATEGY });
        const packed = new Uint8Array(isCut ? whole.subarray(0, cut % (whole.length + 1)) : whole);
        const options = { maxOutputLength: limit + 1 };
        expect(outcome(() => own(packed, options))).toBe(outcome(() => theirs(packed, options)));
      }
    }),
  );
});

test("what deflate packs, Node unpacks", () => {
  fc.assert(
    fc.property(bytes, (content) => {
      expect(Buffer.from(inflateSync(zlib.deflateSync(content))).equals(Buffer.from(content))).toBe(true);
    }),
  );
});

test("SHA-256 in parts", () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 3 }), fc.string(), (parts, text) => {
      const [own, theirs] = [crypto.createHash("sha256"), createHash("sha256")];
      for (const part of [...parts, text]) {
        own.update(part);
        theirs.update(part);
      }
      expect(own.digest("hex")).toBe(theirs.digest("hex"));
    }),
  );
});
