// Addresses as users give them: `--at` and `--sections`.

import { latin1 } from "../base/bytes.ts";
import { REGIONS, type Region } from "./loaderLayout.ts";

/** The text is not of the form that was asked for. */
export class PlacementError extends Error {}

const ADDRESS = /^(?:0x)?([0-9a-f]{1,16})$/i;

export function parseAddress(text: string): bigint {
  const digits = ADDRESS.exec(text.trim())?.[1];
  if (digits === undefined) throw new PlacementError(`\`${text.trim()}\` is no hexadecimal address`);
  return BigInt(`0x${digits}`);
}

/** As /sys/module/NAME/sections has it: `0x` and 16 digits. Null if it is not of that form. */
export function parseKernelAddress(text: string): bigint | null {
  const digits = /^0x([0-9a-f]{16})[\s\0]*$/.exec(text)?.[1];
  return digits === undefined ? null : BigInt(`0x${digits}`);
}

/**
 * `ADDRESS` (of text; everything else follows behind), or `text=ADDRESS,data=ADDRESS,…,percpu=ADDRESS`.
 * @throws PlacementError
 */
export function parseBases(text: string): { bases: Map<Region, bigint>; percpu: bigint | null } {
  const bases = new Map<Region, bigint>();
  let percpu: bigint | null = null;
  for (const part of text.split(",")) {
    const [, name, value] = /^([^=]*)=(.*)$/.exec(part) ?? [null, "text", part];
    const address = parseAddress(value ?? "");
    if (name === "percpu") percpu = address;
    else {
      const region = REGIONS.find((r) => r === name);
      if (region === undefined) throw new PlacementError(`\`${name}\` is none of ${REGIONS.join(", ")}, percpu`);
      bases.set(region, address);
    }
  }
  return { bases, percpu };
}

/**
 * Lines of `NAME ADDRESS` (what /sys/module/NAME/sections holds, as `grep -H . *` or a table prints it), blank lines
 * and those that begin with # left out. @throws PlacementError
 */
export function parseSections(bytes: Uint8Array): Map<string, bigint> {
  const sections = new Map<string, bigint>();
  for (const [i, raw] of latin1(bytes).split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const match = /^(?:.*\/)?(\S+?)(?:[:=]\s*|\s+)((?:0x)?[0-9a-f]+)$/i.exec(line);
    if (match === null)
      throw new PlacementError(`line ${i + 1}: expected \`SECTION ADDRESS\`, found \`${line.slice(0, 40)}\``);
    sections.set(match[1] ?? "", parseAddress(match[2] ?? ""));
  }
  return sections;
}
