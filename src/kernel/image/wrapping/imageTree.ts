// A flattened image tree (FIT): a flattened device tree, big-endian, that holds kernels, device trees and RAM disks for U-Boot, and says which
// of them belong together. Sources: Devicetree Specification 0.4, chapter 5 (the tree's form); U-Boot's doc/usage/fit/source_file_format.rst.

import { latin1, viewOf } from "../../../base/bytes.ts";
import { ElfError } from "../../../elf/error.ts";

const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const NOP = 4;
const END = 9;

/** Words of the header, 4 bytes each, by their place. */
const HEADER_BYTES = 40;
const TOTAL_SIZE = 4;
const STRUCTURE = 8;
const STRINGS = 12;

/** Nothing of interest lies deeper than `/images/kernel-1` and `/configurations/conf-1`. */
const DEPTH = 3;

/** Far more than any image tree has: each takes memory. */
const MOST_NODES = 10_000;
/** Names are of at most 31 characters; those that tools write beyond the specification are not much longer. */
const MOST_NAME = 256;
/** Properties that tell which kernel is meant, and where it lies. */
const WANTED = new Set(["type", "default", "kernel", "data", "data-size", "data-offset", "data-position"]);

/** Part of a file, bytes. */
interface Part {
  readonly from: number;
  readonly size: number;
}

/** Properties of a node, by name. */
type Node = Map<string, Part>;

/** Whether the bytes begin as a flattened device tree does. */
export const isImageTree = (bytes: Uint8Array): boolean => latin1(bytes, 0, 4) === "\xd0\x0d\xfe\xed";

/**
 * The kernel of an image tree, as it stands in the file: that of the default configuration, or the only one.
 * @throws ElfError where the tree is damaged, or does not say which of several kernels is meant
 */
export function kernelOfImageTree(bytes: Uint8Array): Uint8Array {
  if (bytes.length < HEADER_BYTES) throw malformed(bytes.length, "the header of the image tree is cut off");
  const nodes = nodesOf(bytes);
  const text = (node: Node | undefined, name: string): string | null => {
    const found = node?.get(name);
    // Strings end with a 0 byte.
    return found === undefined ? null : latin1(bytes, found.from, found.from + Math.max(0, found.size - 1));
  };
  const names: string[] = [];
  for (const [path, node] of nodes)
    if (path.startsWith("/images/") && /^kernel(_noload)?$/.test(text(node, "type") ?? ""))
      names.push(path.slice("/images/".length));
  const configuration = text(nodes.get("/configurations"), "default");
  const meant = text(nodes.get(`/configurations/${configuration}`), "kernel") ?? (names.length === 1 ? names[0] : null);
  if (names.length === 0) throw unsupported("an image tree (FIT) without a kernel");
  if (meant === undefined || meant === null)
    throw unsupported(
      `an image tree (FIT) with ${names.length} kernels and no default configuration: take one out (\`dumpimage\`)`,
    );
  const image = nodes.get(`/images/${meant}`);
  if (image === undefined)
    throw malformed(0, "the image tree's default configuration names a kernel that is not in it");
  return dataOf(bytes, image);
}

const malformed = (at: number, what: string): ElfError => new ElfError("malformed", at, what);
const unsupported = (what: string): ElfError => new ElfError("unsupported", 0, what);

/** An image's bytes: in the tree, or behind it (`mkimage -E`, `-p`). @throws ElfError */
function dataOf(bytes: Uint8Array, image: Node): Uint8Array {
  const inside = image.get("data");
  if (inside !== undefined) return bytes.subarray(inside.from, inside.from + inside.size);
  const number = (name: string): number | null => {
    const found = image.get(name);
    return found === undefined || found.size !== 4 ? null : viewOf(bytes).getUint32(found.from, false);
  };
  const size = number("data-size");
  const position = number("data-position");
  const offset = number("data-offset");
  if (size === null || (position === null && offset === null))
    throw malformed(0, "the kernel of the image tree has no data");
  // What is behind begins at a multiple of four bytes.
  const from = position ?? Math.ceil(viewOf(bytes).getUint32(TOTAL_SIZE, false) / 4) * 4 + (offset ?? 0);
  if (from > bytes.length || size > bytes.length - from)
    throw malformed(
      0,
      `the kernel of the image tree, ${size} bytes at ${from}, does not fit in a file of ${bytes.length}`,
    );
  return bytes.subarray(from, from + size);
}

/** The nodes of the upper levels, by their paths. @throws ElfError */
function nodesOf(bytes: Uint8Array): Map<string, Node> {
  const view = viewOf(bytes);
  const strings = view.getUint32(STRINGS, false);
  const nodes = new Map<string, Node>();
  const path: string[] = [];
  let depth = 0;
  let at = view.getUint32(STRUCTURE, false);
  for (;;) {
    if (at > bytes.length - 4) throw malformed(Math.min(at, bytes.length), "the image tree is cut off");
    const token = view.getUint32(at, false);
    at += 4;
    if (token === END) return nodes;
    if (token === BEGIN_NODE) {
      const name = nameAt(bytes, at);
      if (depth < DEPTH) {
        if (nodes.size === MOST_NODES) throw unsupported(`an image tree (FIT) with more than ${MOST_NODES} nodes`);
        path[depth] = name;
        nodes.set(pathOf(path, depth + 1), new Map());
      }
      depth++;
      at = aligned(at + name.length + 1);
    } else if (token === END_NODE) {
      if (depth-- === 0) throw malformed(at - 4, "the image tree ends a node that it has not begun");
    } else if (token === PROPERTY) {
      if (at > bytes.length - 8) throw malformed(at, "the image tree is cut off");
      const size = view.getUint32(at, false);
      const name = nameAt(bytes, strings + view.getUint32(at + 4, false));
      const from = at + 8;
      if (size > bytes.length - from) throw malformed(at, "a property of the image tree reaches beyond the file");
      if (depth > 0 && depth <= DEPTH && WANTED.has(name)) nodes.get(pathOf(path, depth))?.set(name, { from, size });
      at = aligned(from + size);
    } else if (token !== NOP) throw malformed(at - 4, `${token} begins nothing in an image tree`);
  }
}

/** `/images/kernel-1`: the root's own name is empty. */
const pathOf = (names: readonly string[], depth: number): string => names.slice(0, depth).join("/");

/** @throws ElfError if it does not end */
function nameAt(bytes: Uint8Array, from: number): string {
  const length = bytes.subarray(from, from + MOST_NAME).indexOf(0);
  if (length < 0) throw malformed(Math.min(from, bytes.length), "a name in the image tree has no end");
  return latin1(bytes, from, from + length);
}

const aligned = (at: number): number => Math.ceil(at / 4) * 4;
