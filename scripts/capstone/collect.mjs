// Adds to scripts/capstone/ARCH.txt: `node scripts/capstone/collect.mjs ARCH MODULE...`, of object files' instructions those for which Capstone
// needs what it needed for none before.
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { codeOf, parse, Recorder, recorded, wasmPath } from "../capstone.mjs";
import { instructionsFor, listOf } from "./words.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const [arch, ...paths] = process.argv.slice(2);
const recorder = new Recorder(recorded(parse(readFileSync(wasmPath()))), arch);
for (const bytes of instructionsFor(root, arch)) recorder.decode(bytes);

/** Code of a file, packed or not; none if it is no object file in order. */
function codeIn(path) {
  const isPacked = path.endsWith(".xz");
  const bytes = isPacked ? execFileSync("xz", ["-dc", path], { maxBuffer: 2 ** 30 }) : readFileSync(path);
  try {
    return bytes.toString("latin1", 0, 6) === "\x7fELF\x02\x01" ? [...codeOf(bytes)] : [];
  } catch {
    return [];
  }
}

const longest = arch === "x86_64" ? 15 : 4;
const known = new Set();
let added = 0;
let notes = Buffer.from(recorder.notes);
for (const path of paths)
  for (const code of codeIn(path))
    for (let at = 0; at < code.length; ) {
      const bytes = code.subarray(at, at + longest);
      const size = recorder.decode(bytes)?.size ?? (arch === "x86_64" ? 1 : 4);
      const text = bytes.toString("hex", 0, size);
      at += size;
      if (known.has(text)) continue;
      known.add(text);
      if (notes.equals(recorder.notes)) continue;
      notes = Buffer.from(recorder.notes);
      appendFileSync(listOf(root, arch), `${text}\n`);
      added++;
    }
console.log(`${added} of ${known.size} instructions`);
