// The tools that leave a file for klplink to finish, and the names by which their parts are known. What is done with them: table.ts.

/**
 * - `plain`: no livepatch data yet; undefined symbols are all there is.
 * - `kpatch`: the intermediate sections of kpatch's create-diff-object.
 * - `klp-convert`: annotations for klp-convert, of either dialect.
 * - `objtool`: the output of `objtool klp diff`, before `objtool klp post-link`.
 * - `klplink`: klplink's own form, as `klplink diff` writes it.
 * - `final`: a finished livepatch module.
 */
export const PRODUCERS = ["plain", "kpatch", "klp-convert", "objtool", "klplink", "final"] as const;
export type Producer = (typeof PRODUCERS)[number];

export const KPATCH_RELOCATIONS = ".kpatch.relocations";
/** sizeof(struct kpatch_relocation), 64-bit; its first field is the place. */
export const KPATCH_RELOCATION_SIZE = 40;
export const KPATCH_SYMBOLS = ".kpatch.symbols";
/** klp-convert v1 to v7: arrays of {symbol u64, position u32}, one section an object. */
export const KLP_CONVERT_SECTION_PREFIX = ".klp.module_relocs.";
/** The klp-convert of 2024, and klplink's own form: `.klp.sym.rela.PATCHED.OWNER.NAME,POSITION`. */
export const KLP_CONVERT_SYMBOL_PREFIX = ".klp.sym.rela.";

/** What `klplink diff` says of what it took: an ELF note that is not loaded. */
export const KLPLINK_NOTE = ".klplink.diff";

/** Evidence of one producer. */
export interface Trace {
  readonly producer: Producer;
  /** The section or symbol that tells. */
  readonly what: string;
}

/** The object in the name of an `objtool klp diff` relocation section; "" where the symbol tells; null for others. */
export function objtoolSectionObject(name: string): string | null {
  if (!name.startsWith("__klp_relocs") && !name.startsWith(".klp.relocs")) return null;
  if (name === "__klp_relocs" || name === ".klp.relocs") return "";
  return /^(?:__klp_relocs|\.klp\.relocs)\.(.+)$/.exec(name)?.[1] ?? null;
}

/** Whether a section is a producer's own, which the kernel does not read: with --keep it stays in the file. */
export function isIntermediate(name: string): boolean {
  // Asked of each section by several rules: all such names begin like this, and few others do.
  if (!name.startsWith(".k") && !name.startsWith("__klp")) return false;
  return (
    name === KPATCH_RELOCATIONS ||
    name === KPATCH_SYMBOLS ||
    name === KLPLINK_NOTE ||
    name.startsWith(KLP_CONVERT_SECTION_PREFIX) ||
    objtoolSectionObject(name) !== null
  );
}
