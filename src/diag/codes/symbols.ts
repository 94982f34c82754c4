// Undefined symbols, and where the kernel has them.

import { define } from "../define.ts";
import { asClause, causeOf, helpMissing, whyMissing } from "../symbolCauses.ts";

export const KLP401 = define<{
  readonly module: string;
  readonly symbol: string;
  readonly source: string;
  readonly near: readonly string[];
  /** Modules given with -m that were searched, too. */
  readonly searched?: readonly string[];
  /** Modules that the livepatch patches and that were not given: the symbol may be one of theirs. */
  readonly missing?: readonly string[];
}>({
  level: "error",
  title: (d) =>
    `${d.symbol} is not in ${d.source}${(d.searched ?? []).length > 0 ? `, nor in ${(d.searched ?? []).join(", ")}` : ""}`,
  // Where a module is missing, it is not certain that the loader would not find it.
  kernel: (d) => ((d.missing ?? []).length > 0 ? null : `${d.module}: Unknown symbol ${d.symbol} (err -2)`),
  why: (d) => {
    if ((d.missing ?? []).length > 0) {
      return `the livepatch patches ${(d.missing ?? []).join(", ")}, which was not given, so the symbol may be one of that module`;
    }
    const cause = causeOf(d.symbol);
    return cause === null ? whyMissing(d.symbol, d.near) : asClause(cause.why);
  },
  help: (d) => {
    const [missing] = d.missing ?? [];
    if (missing !== undefined) return `give the module: ${(d.missing ?? []).map((m) => `\`-m ${m}.ko\``).join(" ")}`;
    const cause = causeOf(d.symbol);
    if (cause !== null) return cause.help;
    const inlined = helpMissing(d.symbol, d.near);
    if (inlined !== null) return inlined;
    return d.near.length > 0
      ? `did you mean ${d.near.map((n) => `\`${n}\``).join(" or ")}? use that name in the source, or give the symbol list of the right kernel`
      : `give the symbol list of the kernel that is to be patched${(d.searched ?? []).length > 0 ? ", and" : ", or"} with -m the module that has the symbol`;
  },
  explain:
    "The module refers to a symbol that the kernel given with -k does not have, neither exported nor local, and no module given with -m. The loader looks for all symbols, prints such a line for each that it does not find, and then stops.",
});

export const KLP402 = define<{
  readonly module: string;
  readonly symbol: string;
  /** `vmlinux`, or the module that has the symbols. */
  readonly object: string;
  readonly source: string;
  readonly candidates: readonly { readonly position: number; readonly place: string; readonly letter: string }[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is the name of ${d.candidates.length} symbols in ${d.source}`,
  // As it stands the symbol is an ordinary undefined one, and not exported.
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: (d) => d.candidates.map((p) => `position ${p.position}: ${p.place} ${p.letter}`).join("; "),
  help: (d) => `say which one is meant: \`--sympos ${d.object === "vmlinux" ? "" : `${d.object}:`}${d.symbol}=N\``,
  explain:
    "Static functions of different files may share a name. A livepatch symbol then carries a position: in vmlinux the n-th of that name by address, in a module the n-th of its symbol table. With position 0 the kernel says `unresolvable ambiguity for symbol`. klplink does not guess it, unless only one of them is global.",
});

export const KLP403 = define<{ readonly module: string; readonly symbol: string; readonly owners: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is not in vmlinux, but in module ${d.owners.join(", ")}, which does not export it`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "a symbol of a module gets its position from the module's own symbol table, which is not known here",
  help: (d) => `give the module itself: \`-m ${d.owners[0] ?? "MODULE"}.ko\``,
  explain:
    "The only symbol of this name belongs to a module and is not exported. With the module's .ko given with -m, klplink makes a livepatch symbol for it, and a relocation that waits until that module is loaded.",
});

export const KLP404 = define<{ readonly source: string }>({
  level: "error",
  title: (d) => `${d.source} shows no exported symbol, so exported and local ones cannot be told apart`,
  why: () => "an exported symbol NAME is one with __ksymtab_NAME beside it; this list has none",
  help: () =>
    "give the System.map of the kernel build, or a /proc/kallsyms read as root on a kernel with CONFIG_KALLSYMS_ALL",
  explain:
    "A symbol that the kernel exports stays an ordinary undefined symbol; all others become livepatch symbols. The list must show which is which.",
});

export const KLP405 = define<{ readonly symbol: string; readonly position: number; readonly count: number }>({
  level: "warning",
  title: (d) => `${d.symbol}: position ${d.position} of ${d.count} taken, the only global one`,
  help: (d) => `if a static one is meant, say so: \`--sympos ${d.symbol}=N\``,
  explain:
    "Several symbols share the name, and all but one are static. An undefined symbol of an object file means the global one by the rules of C.",
});

export const KLP406 = define<{
  readonly symbol: string;
  readonly object: string;
  readonly position: number;
  readonly count: number;
}>({
  level: "error",
  title: (d) =>
    `--sympos ${d.symbol}=${d.position}: there ${d.count === 1 ? "is 1 symbol" : `are ${d.count} symbols`} of that name in ${d.object}`,
  kernel: (d) => `livepatch: symbol position ${d.position} for symbol '${d.symbol}' in object '${d.object}' not found`,
  help: (d) => `give a number from 1 to ${d.count}, or leave it out where the name is unique`,
  explain:
    "A position counts the symbols of one name from 1: those of vmlinux by address, those of a module as its symbol table has them.",
});

export const KLP407 = define<{ readonly symbol: string; readonly limit: number; readonly length: number }>({
  level: "error",
  title: (d) =>
    `the name of ${d.length} bytes is longer than a livepatch symbol can hold (${d.limit}): ${d.symbol.slice(0, 40)}…`,
  kernel: () => "livepatch: symbol NAME has an incorrectly formatted name",
  help: () => "use a shorter name; the kernel's KSYM_NAME_LEN sets the limit",
  explain: "The kernel reads at most 511 bytes of a symbol's name (127 before 6.1).",
});

export const KLP410 = define<{
  readonly module: string;
  readonly symbol: string;
  readonly source: string;
  readonly command: string;
}>({
  level: "error",
  title: (d) => `${d.symbol} is in ${d.source}, but not exported to modules`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "an undefined symbol of a module is looked up among the exported ones only",
  help: (d) => `\`${d.command}\` makes it a livepatch symbol, which may name any symbol of the kernel`,
  fix: (d) => d.command,
  explain:
    "Livepatch code uses functions and data that were never meant for modules. Such a symbol must be a livepatch symbol: named .klp.sym.OBJECT.NAME,POSITION, with section index SHN_LIVEPATCH, and relocated from a .klp.rela section.",
});

export const KLP424 = define<{ readonly symbol: string; readonly owners: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is in several of the modules given: ${d.owners.join(", ")}`,
  help: () => "give with -m only the modules that the patch changes or needs",
  explain: "An undefined symbol is local to more than one module, and nothing says which one is meant.",
});

export const KLP425 = define<{ readonly symbol: string; readonly owner: string; readonly patched: readonly string[] }>({
  level: "error",
  title: (d) => `${d.symbol} is in module ${d.owner}, which this patch does not patch`,
  why: (d) =>
    `the kernel applies relocations for the objects of the patch only (${d.patched.join(", ")}), and none of them is known to need ${d.owner} loaded`,
  help: (d) => `give the patched module that depends on ${d.owner} with -m, or add ${d.owner} to the patch's objects`,
  explain:
    "A relocation against a symbol of a module waits in .klp.rela.OBJECT until OBJECT is loaded. OBJECT must be one that the patch names, and the symbol's module must be loaded by then.",
});

export const KLP426 = define<{
  readonly symbol: string;
  readonly module: string;
  readonly coming: number;
  /** 0: it is gone by then. */
  readonly live: number;
  readonly count: number;
}>({
  level: "warning",
  title: (d) =>
    d.live === 0
      ? `${d.symbol} is in an init section of ${d.module}: gone once that module has started`
      : `${d.symbol}: position ${d.coming} while ${d.module} is being loaded, ${d.count === 1 ? "unique" : `position ${d.live} of ${d.count}`} once it is live`,
  why: () => "symbols of init sections are counted while a module is being loaded, and not afterwards",
  help: (d) =>
    `load the livepatch at the same stage each time: before ${d.module} (the position counted here), or always after it`,
  explain:
    "A module's symbol table shrinks when its init function has returned. A name that an init section holds too then has another position, so one livepatch symbol cannot be right for both.",
});

export const KLP450 = define<{
  readonly count: number;
  readonly names: readonly string[];
  readonly missing: readonly string[];
}>({
  level: "warning",
  title: (d) =>
    `${d.count} symbol${d.count === 1 ? " was" : "s were"} not looked up: ${d.missing.length === 1 ? "a module" : "modules"} that this one depends on ${d.missing.length === 1 ? "was" : "were"} not given`,
  why: (d) =>
    `.modinfo names ${d.missing.join(", ")} in depends=; ${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""} ${d.count === 1 ? "is" : "are"} in no file that was given`,
  help: (d) => `give ${d.missing.map((m) => `\`-m ${m}.ko\``).join(" ")}`,
  explain:
    "A module may use what other modules export. modpost writes their names into depends=, and modprobe loads them first. Without those files it is not known whether they export these symbols.",
});

export const KLP451 = define<{ readonly module: string; readonly symbol: string; readonly source: string }>({
  level: "error",
  title: (d) => `${d.symbol} is not exported: it is not in ${d.source}`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.symbol} (err -2)`,
  why: () => "the file lists all exports of the kernel that it was built with",
  help: () =>
    "give the kernel's symbols, too (-k System.map or -k vmlinux): klplink then makes a livepatch symbol of what is not exported",
  explain:
    "Module.symvers lists what vmlinux and the modules built with it export, and nothing else. An undefined symbol that it does not have is one that the loader does not find, unless a module from elsewhere exports it.",
});

export const KLP452 = define<{
  readonly asked: string;
  readonly symbol: string;
  /** The object that the file's symbol of that name is taken from; null if it has none of that name. */
  readonly object: string | null;
  readonly near: readonly string[];
  /** The livepatch symbol that the file has already, with another position; null if it has none. */
  readonly has: string | null;
}>({
  level: "warning",
  title: (d) =>
    d.has === null
      ? `--sympos ${d.asked} names no symbol of this file`
      : `--sympos ${d.asked} changes nothing: the file has ${d.has} already`,
  why: (d) => {
    if (d.has !== null) return "a symbol that is a livepatch symbol keeps the position that it has";
    return d.object === null
      ? `the file has no undefined symbol and no livepatch symbol called ${d.symbol}`
      : `${d.symbol} is taken from ${d.object}`;
  },
  help: (d) => {
    if (d.has !== null) return "link the object from before with --sympos";
    return d.near.length > 0
      ? `is ${d.near.map((name) => `\`${name}\``).join(" or ")} meant?`
      : "`klplink show` lists the undefined symbols; that of a module may be written MODULE:NAME=N";
  },
  explain:
    "--sympos NAME=N says which of several symbols of one name an undefined symbol of the file means. A name that the file does not use, or that has its position already, changes nothing.",
});

export const KLP464 = define<{
  readonly module: string;
  readonly source: string;
  readonly count: number;
  /** The first of the names. */
  readonly names: readonly string[];
}>({
  level: "error",
  title: (d) =>
    d.count === 1
      ? `${d.source} does not have ${d.names[0]}, the only undefined symbol of the module`
      : `${d.source} has none of the module's ${d.count} undefined symbols (${d.names.join(", ")}${d.count > d.names.length ? ", …" : ""})`,
  kernel: (d) => `${d.module}: Unknown symbol ${d.names[0]} (err -2)`,
  why: () =>
    "nearly every module uses something that the kernel exports, so the list is more likely that of another kernel, or the module is",
  help: () =>
    "give Module.symvers of the kernel that the module is for; if all of these are unexported, give its symbols, too (-k System.map or -k vmlinux)",
  explain:
    "Module.symvers lists what a kernel exports. A module of that kernel finds at least some of its undefined symbols there; one that finds none was built for another kernel, or uses unexported symbols only, which such a list cannot tell from misspelled names.",
});

export const KLP465 = define<{
  readonly module: string;
  readonly symbol: string;
  readonly owner: string;
  readonly license: string;
  /** A symbol that is exported for GPL-compatible modules only. */
  readonly gplOnly: string;
  /** Which of the two comes first in the symbol table: the loader refuses the other one. */
  readonly first: "proprietary" | "gplOnly";
}>({
  level: "error",
  title: (d) =>
    `${d.symbol} is exported by ${d.owner}, whose licence is \`${d.license}\`, and the module uses what is for GPL-compatible modules only (${d.gplOnly})`,
  kernel: (d) =>
    d.first === "gplOnly"
      ? `${d.module}: module using GPL-only symbols uses symbols ${d.symbol} from proprietary module ${d.owner}.`
      : `${d.module}: Unknown symbol ${d.gplOnly} (err -2)`,
  why: () =>
    "to the kernel, a module that uses what a proprietary module exports is proprietary itself, whatever its own licence says",
  help: (d) =>
    `keep to one of the two kinds: do without ${d.owner}, or without ${d.gplOnly} and all else that is exported GPL-only`,
  explain:
    "From 5.9 on a module inherits the taint of the modules whose exports it uses. It cannot use both what a proprietary module exports and what is exported with EXPORT_SYMBOL_GPL: the loader goes through the undefined symbols in the order of the symbol table, and refuses the one that comes second.",
});
