// Addresses as users give them: `--at` and `--sections`.

import { hex, latin1 } from "../../base/bytes.ts";
import { type Layout, type Placed, REGIONS, type Region } from "./layout.ts";

/** The text is not of the form that was asked for. */
export class PlacementError extends Error {}

/** Bytes; the smallest page of any architecture. */
const PAGE = 0x1000n;
const END = 1n << 64n;

const ADDRESS = /^(?:0x)?([0-9a-f]{1,16})$/i;

export function parseAddress(text: string): bigint {
  const digits = ADDRESS.exec(text.trim())?.[1];
  if (digits === undefined) throw new PlacementError(`\`${text.trim()}\` is not a hexadecimal address`);
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
  const twice = (name: string): PlacementError => new PlacementError(`the address of ${name} is given twice`);
  for (const part of text.split(",")) {
    const [, name, value] = /^([^=]*)=(.*)$/.exec(part) ?? [null, "text", part];
    const address = parseAddress(value ?? "");
    if (name === "percpu") {
      if (percpu !== null) throw twice(name);
      percpu = address;
    } else {
      const region = REGIONS.find((r) => r === name);
      if (region === undefined) throw new PlacementError(`\`${name}\` is none of ${REGIONS.join(", ")}, percpu`);
      if (bases.has(region)) throw twice(region);
      if (address % PAGE !== 0n)
        throw new PlacementError(
          `${region} cannot be at ${hex(address)}: module memory consists of pages of ${hex(PAGE)} bytes`,
        );
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

/**
 * Whether a module can lie where it was put. Regions whose base follows from single sections are not looked at: their
 * sizes depend on the kernel's configuration.
 * @param given the bases that the user gave
 * @throws PlacementError
 */
export function checkPlaced(
  {
    layout,
    placed,
    sections,
  }: {
    readonly layout: Layout;
    readonly placed: Placed;
    readonly sections: readonly { readonly name: string; readonly address: bigint; readonly bytes: Uint8Array }[];
  },
  given: ReadonlyMap<Region, bigint>,
): void {
  const beyond = (name: string, size: number, address: bigint): PlacementError =>
    new PlacementError(`${name} (${size} bytes) at ${hex(address)} reaches beyond the last address`);
  const known = [...given].sort(([, a], [, b]) => (a < b ? -1 : 1));
  let last: Region | null = null;
  let end = 0n;
  for (const [region, base] of known) {
    const size = layout.sizes.get(region);
    if (size === undefined || size === 0) continue;
    if (base + BigInt(size) > END) throw beyond(region, size, base);
    if (last !== null && base < end)
      throw new PlacementError(`${region} at ${hex(base)} overlaps ${last}, which ends at ${hex(end)}`);
    last = region;
    end = base + BigInt(size);
  }
  for (const { name, address, bytes } of sections) {
    if (address + BigInt(bytes.length) > END) throw beyond(name, bytes.length, address);
  }
  for (const [region, base] of placed.bases) {
    if (base >= END)
      throw new PlacementError(
        `there is no room for ${region} behind ${last ?? "the given sections"}: give its address, too`,
      );
  }
}
