import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileStream } from "../../src/cli/inputStream.ts";

test("a file as standard input: all of it, from where it stands, in pieces and in chunks that stay as they are", async () => {
  const folder = mkdtempSync(join(tmpdir(), "klplink-input-"));
  const path = join(folder, "in");
  const bytes = Buffer.alloc(700_001).map((_, i) => (i * 31 + (i >> 9)) & 0xff);
  writeFileSync(path, bytes);
  const open = (): [FileStream, () => void] => {
    const fd = openSync(path, "r");
    return [new FileStream(fd), () => closeSync(fd)];
  };
  try {
    const [one, closeOne] = open();
    expect(Buffer.concat(Array.from(one.pieces(), (piece) => Buffer.from(piece))).equals(bytes)).toBe(true);
    closeOne();
    const [other, closeOther] = open();
    const chunks: Buffer[] = [];
    for await (const chunk of other) chunks.push(chunk);
    closeOther();
    expect(chunks.length).toBeGreaterThan(1);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
