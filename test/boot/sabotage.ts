// Breaks one word of a good module, to show that the boot tests notice. Places are read with readelf, not with klplink.

import { readFileSync } from "node:fs";
import { mustRun } from "./run.ts";

const BL = 0x4800_0001;
const NOP = 0x6000_0000;
const STD_R2 = 0xf841_0018;
const LD_R2 = 0xe841_0018;
const DISPLACEMENT = 0x03ff_fffc;

/** The module with the return island of one livepatch callee going back one instruction too far. */
export function wrongWayBack(module: string, section: string, callee: string): Uint8Array {
  const relocations = readelf("-r", module).split("\n");
  const table = relocations.findIndex((line) => line.includes(`'.klp.rela.vmlinux.${section}'`));
  const call = relocations.slice(table).find((line) => line.includes("R_PPC64_REL24") && line.includes(`.${callee},`));
  const island = locate(module, section).start + Number.parseInt(call ?? "", 16);
  const bytes = readFileSync(module);
  const back = bytes.readUInt32LE(island + 8);
  if (bytes.readUInt32LE(island) !== BL || bytes.readUInt32LE(island + 4) !== NOP || back >>> 26 !== 18) {
    throw new Error(`no return island for ${callee} in ${section}`);
  }
  bytes.writeUInt32LE(((back & ~DISPLACEMENT) | ((back + 4) & DISPLACEMENT)) >>> 0, island + 8);
  return bytes;
}

/** The module with a local-call island of this section no longer bringing r2 back. */
export function forgottenToc(module: string, section: string): Uint8Array {
  const { start, size } = locate(module, section);
  const bytes = readFileSync(module);
  for (let at = start; at + 12 <= start + size; at += 4) {
    if (
      bytes.readUInt32LE(at) === STD_R2 &&
      bytes.readUInt32LE(at + 4) === BL &&
      bytes.readUInt32LE(at + 8) === LD_R2
    ) {
      bytes.writeUInt32LE(NOP, at + 8);
      return bytes;
    }
  }
  throw new Error(`no local-call island in ${section}`);
}

const readelf = (option: string, module: string): string =>
  mustRun("powerpc64le-linux-gnu-readelf", ["-W", option, module]);

/** Where a section's bytes are in the file. */
function locate(module: string, section: string): { start: number; size: number } {
  const header = readelf("-S", module)
    .split("\n")
    .find((line) => line.includes(`] ${section} `));
  const [, start, size] = /PROGBITS\s+[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)/.exec(header ?? "") ?? [];
  if (start === undefined || size === undefined) throw new Error(`${module}: no section ${section}`);
  return { start: Number.parseInt(start, 16), size: Number.parseInt(size, 16) };
}
