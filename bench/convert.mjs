// How the time for livepatch relocations grows with their number:
//
//	node bench/convert.mjs [COUNT...]
//
// Makes modules with COUNT (default 50,000 and 100,000) relocations of each kind, and finishes them: plain undefined symbols,
// kpatch's .kpatch.relocations, objtool's __klp_relocs. Prints seconds for each and the growth from one count to the next:
// 2.0 is linear for the default counts. The results of the kinds are compared: same symbols, same relocations.
// Needs `npm run build`.
import { createHash } from "node:crypto";
import { kernelMap, kpatch, objtool, plain } from "./objects.mjs";

const { link, parseSymbols, readElf } = await import(
  process.env.KLPLINK_LIB ?? new URL("../dist/lib/index.js", import.meta.url).href
);
const counts = process.argv.slice(2).map(Number);
if (counts.length === 0) counts.push(50_000, 100_000);

/** A digest of all livepatch relocations of a file, whatever their order. */
function digest(bytes) {
  const file = readElf(bytes);
  const lines = [];
  for (const table of file.relocations) {
    const name = file.sections.name(table.section);
    if (!name.startsWith(".klp.rela.")) continue;
    for (let row = 0; row < table.count; row++) {
      lines.push(
        `${name} ${table.offset(row)} ${table.type(row)} ${file.symbols.name(table.symbol(row))} ${table.addend(row)}`,
      );
    }
  }
  return `${lines.length} ${createHash("sha256").update(lines.sort().join("\n")).digest("hex").slice(0, 12)}`;
}

const most = Math.max(...counts);
let began = performance.now();
const symbols = parseSymbols(Buffer.from(kernelMap(most)), "System.map");
console.log(`${most} kernel symbols read: ${((performance.now() - began) / 1000).toFixed(2)} s`);

const results = new Map();
for (const [name, make] of Object.entries({ plain, kpatch, objtool })) {
  let before = null;
  for (const count of counts) {
    const input = make(count);
    began = performance.now();
    const result = link(input, { file: name, symbols });
    const seconds = (performance.now() - began) / 1000;
    if (result.output === null)
      throw new Error(`${name}: ${result.problems.length} problems, ${result.problems[0]?.code}`);
    const found = digest(result.output);
    if ((results.get(count) ?? found) !== found) throw new Error(`${name}: other relocations than before`);
    results.set(count, found);
    const growth = before === null ? "" : `, ${(seconds / before).toFixed(1)} times as long`;
    console.log(`${name}: ${count} relocations in ${seconds.toFixed(2)} s${growth}`);
    before = seconds;
  }
}
