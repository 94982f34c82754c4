// How large the entries of the kernel's tables are, by what was stated and by the types of the kernel that was given.

import type { Arch } from "../../arch/index.ts";
import type { ToldSize, ToldSizes } from "../../diff/compare/ownedTables.ts";
import type { Kernel } from "../../kernel/kernel.ts";

/** @param stated bytes by section, as --entry-size gives them */
export async function toldSizes(
  { code }: Arch,
  kernel: Kernel | null,
  stated: ReadonlyMap<string, number>,
): Promise<ToldSizes> {
  const found = new Map<string, ToldSize[]>();
  for (const [section, size] of stated) found.set(section, [{ size, source: `--entry-size ${section}=${size}` }]);
  const rows = code.tables.flatMap(({ section, struct }) => (struct === undefined ? [] : [{ section, struct }]));
  const sizes =
    kernel === null
      ? new Map<string, ToldSize>()
      : await structSizesOnce(
          kernel,
          rows.map((r) => r.struct),
        );
  for (const { section, struct } of rows) {
    const told = sizes.get(struct);
    if (told === undefined) continue;
    const list = found.get(section);
    if (list === undefined) found.set(section, [told]);
    else list.push(told);
  }
  return found;
}

/** Looked for once for each kernel: there may be thousands of objects. Names are those of one architecture's tables. */
const known = new WeakMap<Kernel, Promise<Map<string, ToldSize>>>();

function structSizesOnce(kernel: Kernel, names: readonly string[]): Promise<Map<string, ToldSize>> {
  const sizes = known.get(kernel) ?? structSizes(kernel, names);
  known.set(kernel, sizes);
  return sizes;
}

/** By name of the struct; BTF is read before debug information, which is much larger. */
async function structSizes(kernel: Kernel, names: readonly string[]): Promise<Map<string, ToldSize>> {
  const found = new Map<string, ToldSize>();
  const { btf, debug } = kernel;
  if (btf === null && debug !== null) {
    const { findStructs } = await import("../../elf/dwarf/types/members.ts");
    for (const [name, { size }] of await findStructs(debug, names)) {
      if (size > 0) found.set(name, { size, source: `struct ${name} of the kernel's debug information` });
    }
  }
  for (const name of btf === null ? [] : names) {
    const size = btf?.structLayout(name)?.size ?? 0;
    if (size > 0) found.set(name, { size, source: `struct ${name} of the kernel's BTF` });
  }
  return found;
}

/** The architecture with tables besides that were stated by their entry sizes: entries begin with the place in their function. */
export function withTables(arch: Arch, stated: ReadonlyMap<string, number>): Arch {
  const listed = new Set(arch.code.tables.map((t) => t.section));
  const more = [...stated].filter(([section]) => !listed.has(section));
  if (more.length === 0) return arch;
  const tables = [...arch.code.tables, ...more.map(([section, size]) => ({ section, sizes: [size], owner: 0 }))];
  return { ...arch, code: { ...arch.code, tables } };
}
