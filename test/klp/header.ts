import { readElf } from "../../src/elf/reader.ts";

/** A copy of a file with a section's header changed. */
export function changeHeader(bytes: Uint8Array, name: string, change: (view: DataView) => void): Uint8Array {
  const out = bytes.slice();
  const file = readElf(out);
  const index = file.sections.findByName(name);
  if (index === null) throw new Error(`no section ${name}`);
  change(new DataView(out.buffer, out.byteOffset + file.header.sectionHeaderOffset + 64 * index, 64));
  return out;
}
