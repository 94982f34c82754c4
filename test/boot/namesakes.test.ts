// Which of several symbols of a name belongs to which source file, told by neighbours alone as klplink diff does it with a System.map,
// against what the STT_FILE symbols of the same built kernels say: all static functions and variables that have namesakes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isSpecialStatic } from "../../src/diff/canon/names.ts";
import type { Item, Unit } from "../../src/diff/canon/unit.ts";
import { Namesakes } from "../../src/diff/take/namesakes.ts";
import { readVmlinux } from "../../src/kernel/image/vmlinux.ts";
import { type PlacedSymbol, type PlacedSymbols, placedOfKernel } from "../../src/kernel/symbols/placedSymbols.ts";
import { labKernels, treeOf } from "./kernels.ts";

/** The symbols of each source file: its locals, and globals that lie between two of them. */
function sources({ sorted }: PlacedSymbols): Map<number, PlacedSymbol[]> {
  const found = new Map<number, PlacedSymbol[]>();
  let last: number | null = null;
  let waiting: PlacedSymbol[] = [];
  for (const symbol of sorted) {
    const { file } = symbol;
    if (file === null) {
      if (symbol.isGlobal) waiting.push(symbol);
      continue;
    }
    const list = found.get(file) ?? [];
    found.set(file, list);
    for (const global of last === file ? waiting : []) list.push(global);
    list.push(symbol);
    waiting = [];
    last = file;
  }
  return found;
}

/** What Namesakes asks of an object, made of the symbols of its source. */
function unitOf(placed: PlacedSymbols, list: readonly PlacedSymbol[], file: string): Unit {
  const items = list.map((symbol, id) => {
    const next = placed.sorted[placed.indexOf(symbol) + 1];
    return {
      ...{ id, name: symbol.name, symbol: id + 1, aliases: [], isLocal: !symbol.isGlobal, isInit: false, entry: 0 },
      kind: symbol.isText ? "function" : "object",
      isSpecial: !symbol.isText && isSpecialStatic(symbol.name, ""),
      isNumbered: /\.\d+$/.test(symbol.name),
      file: symbol.isGlobal ? 0 : 1,
      symbolEnd: next === undefined ? 0 : Number(next.at - symbol.at),
    } as unknown as Item;
  });
  const symbols = { name: (i: number) => items[i - 1]?.name ?? "" };
  return { items, files: [file], symbols } as unknown as Unit;
}

describe.each(labKernels)("$name", (kernel) => {
  test("neighbours never say another file than the symbol table does", () => {
    const vmlinux = readVmlinux(new Uint8Array(readFileSync(join(treeOf(kernel), "vmlinux"))), "vmlinux");
    const full = placedOfKernel(vmlinux.list.symbols(), vmlinux.sourceFiles());
    const bare = placedOfKernel(vmlinux.list.symbols(), null);
    const count = { functions: 0, toldByPlace: 0, variables: 0, toldByFile: 0 };
    const wrong: string[] = [];
    for (const [file, list] of sources(full)) {
      const unit = unitOf(full, list, full.files[file] ?? "");
      const tellers = [new Namesakes(bare, unit), new Namesakes(full, unit)] as const;
      for (const [i, item] of unit.items.entries()) {
        const all = full.find(item.name);
        if (!item.isLocal || item.isSpecial || all.length < 2) continue;
        if (unit.items.some((o) => o !== item && o.name === item.name)) continue;
        const truth = all.indexOf(list[i] as PlacedSymbol) + 1;
        const [byPlace, byFile] = tellers.map((t) => t.positionOf(item, item.name));
        for (const told of [byPlace, byFile])
          if (told != null && told.position !== truth) wrong.push(`${full.files[file]} ${item.name}: ${told.how}`);
        count[item.kind === "function" ? "functions" : "variables"]++;
        if (item.kind === "function" && byPlace != null) count.toldByPlace++;
        if (byFile != null) count.toldByFile++;
      }
    }
    expect(wrong).toEqual([]);
    expect(count.functions).toBeGreaterThan(100);
    // Functions are told by a list alone but for a few, and all by the files.
    expect(count.toldByPlace / count.functions).toBeGreaterThan(0.9);
    expect(count.toldByFile / (count.functions + count.variables)).toBeGreaterThan(0.98);
  }, 600_000);
});
