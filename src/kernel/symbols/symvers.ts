import { latin1 } from "../../base/bytes.ts";
import type { Export } from "./exports.ts";
import { SymbolListError } from "./parseSymbols.ts";

/** Whether a text begins like Module.symvers: `0xCRC<tab>NAME<tab>`. */
export function isSymvers(bytes: Uint8Array): boolean {
  return /^0x[0-9a-f]{1,16}\t[^\t\n]+\t/i.test(latin1(bytes, 0, Math.min(bytes.length, 600)));
}

/**
 * Reads Module.symvers: `CRC NAME OWNER EXPORT_KIND [NAMESPACE]`, separated by tabs. Kernels 5.4 to 5.6 wrote the
 * namespace in third place (`CRC NAME NAMESPACE OWNER EXPORT_KIND`); the kind tells the two apart.
 * An owner is a path: its last part, with `-` turned into `_`, is the module's name. CRC 0 stands for none.
 * @throws SymbolListError at the first line of another form.
 */
export function parseSymvers(bytes: Uint8Array): Export[] {
  const found: Export[] = [];
  const lines = latin1(bytes).split("\n");
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const fields = line.replace(/\r$/, "").split("\t");
    const kind = fields.findIndex((f, i) => i >= 3 && f.startsWith("EXPORT_"));
    const crc = /^0x([0-9a-f]{1,16})$/i.exec(fields[0] ?? "");
    const name = fields[1] ?? "";
    if (crc === null || name === "" || kind < 3 || kind > 4) {
      throw new SymbolListError(
        index + 1,
        "expected `CRC NAME OWNER EXPORT_KIND NAMESPACE` (a line of Module.symvers)",
      );
    }
    const value = Number.parseInt((crc[1] ?? "").slice(-8), 16);
    found.push({
      name,
      owner: ownerName(fields[kind - 1] ?? ""),
      crc: value === 0 ? null : value,
      gplOnly: (fields[kind] ?? "").includes("GPL"),
      namespace: kind === 3 ? (fields[4] ?? "") : (fields[2] ?? ""),
    });
  }
  if (found.length === 0) throw new SymbolListError(Math.max(1, lines.length - 1), "the file names no export");
  return found;
}

function ownerName(path: string): string {
  return path
    .replace(/^.*\//, "")
    .replace(/\.k?o$/, "")
    .replace(/-/g, "_");
}
