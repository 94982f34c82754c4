import { latin1 } from "../../base/bytes.ts";
import type { ElfFile } from "../../elf/reader.ts";

/** `tag=value` strings of a module's .modinfo section, in file order. */
export class ModInfo {
  readonly entries: readonly { readonly tag: string; readonly value: string }[];

  constructor(data: Uint8Array) {
    this.entries = latin1(data)
      .split("\0")
      .filter((text) => text.includes("="))
      .map((text) => {
        const at = text.indexOf("=");
        return { tag: text.slice(0, at), value: text.slice(at + 1) };
      });
  }

  /** Names of modules that it needs loaded first (`depends=`). */
  get depends(): string[] {
    return (this.get("depends") ?? "")
      .split(",")
      .filter((d) => d !== "")
      .map(normalModuleName);
  }

  /** Value of the first `tag`, or null. */
  get(tag: string): string | null {
    return this.entries.find((e) => e.tag === tag)?.value ?? null;
  }
}

/** The .modinfo of a module; null for an object file that has none (it is not linked into a .ko yet). */
export function readModInfo(file: ElfFile): ModInfo | null {
  const section = file.sections.findByName(".modinfo");
  return section === null ? null : new ModInfo(file.sections.data(section));
}

/** Module names are spelled with `_` in the kernel, whatever the file is called. */
export function normalModuleName(text: string): string {
  return text.replace(/-/g, "_");
}
