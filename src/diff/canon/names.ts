// Names as compilers make them, and what of them counts: numbers change with every build.

/**
 * A name without the numbers that compilers give: `count.isra.17.constprop.23` is `count.isra.constprop`, `cnt.2` is `cnt`,
 * `__UNIQUE_ID_ddebug12` is `__UNIQUE_ID_ddebug`.
 */
export function canonicalName(name: string): string {
  const parts = name.split(".");
  const kept = parts.filter(
    (part, i) => i === 0 || !(/^\d+$/.test(part) || (parts[i - 1] === "llvm" && /^\w+$/.test(part))),
  );
  return kept.join(".").replace(/(__UNIQUE_ID_[A-Za-z_]*?)_?\d+(?:_\d+)*(?=$|\.)/g, "$1");
}

/** Whether a compiler numbered a name: two builds may give the number to different things. */
export const isNumbered = (name: string): boolean => /\.\d+$/.test(name) || name.includes("__UNIQUE_ID_");

/** The function whose part a symbol is (`f` for `f.cold`, `f.cold.3`, `f.part.0.cold`: `f.part.0`); null if it is a whole one. */
export function parentOfCold(name: string): string | null {
  return /^(.+)\.cold(?:\.\d+)?$/.exec(name)?.[1] ?? null;
}

/**
 * Names of static variables that macros make and that are always taken from the patched object: once-flags, lock classes, rate
 * limits, function names, messages (kpatch's and objtool's lists together).
 */
const SPECIAL =
  /^(?:__key|__warned|__already_done|__print_once|__func__|__FUNCTION__|__PRETTY_FUNCTION__|_rs|CSWTCH|_entry|_entry_ptr|descriptor|__msg|__UNIQUE_ID_ddebug\w*)$/;

/** Those of them that are never written. */
const CONSTANT = /^(?:__func__|__FUNCTION__|__PRETTY_FUNCTION__|CSWTCH|_entry|_entry_ptr|descriptor|__msg)$/;

/** Whether a local object is one of those: `__func__.3`, clang's `f.__func__`. */
export function isSpecialStatic(name: string, section: string): boolean {
  if (/^\.data\.?\.(?:once|unlikely)$|^\.data\.once$|^__verbose$|^__dyndbg$/.test(section)) return true;
  const [, ...behind] = name.split(".");
  // A variable of a file has no dot in its name: `_rs` is then the programmer's own.
  if (behind.length === 0 && !name.startsWith("__UNIQUE_ID_ddebug")) return false;
  const parts = name.split(".").filter((part) => !/^\d+$/.test(part));
  const own = parts[parts.length - 1] ?? "";
  // What macros make of these names is constant, or stands in a section of its own: one that is written has a state.
  if (CONSTANT.test(own) && /^\.(?:data|bss)(?!\.rel\.ro|\.\.)/.test(section)) return false;
  return SPECIAL.test(own);
}

/** Whether a symbol of init data is made for the build's own tables, and says nothing of what code does. */
export const isBookkeeping = (name: string): boolean =>
  /^(?:__initcall_|__initstub_|__exitcall_|__addressable_|___?ksymtab|__kstrtab|__crc_|__export_symbol_|__setup_|__param_|__pi_\.|__UNIQUE_ID___addressable)/.test(
    name,
  );
