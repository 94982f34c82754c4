// Livepatch symbols, their relocation sections, and what producers leave for a later step.

import { define } from "../define.ts";
import { helpMissing, whyMissing } from "../symbolCauses.ts";

export const KLP408 = define<{
  readonly symbol: string;
  readonly module: string;
  /** The name as the loader prints it: that of ppc64 leaves out a leading dot. */
  readonly printed: string;
  /** What the symbol is in place of a livepatch symbol. */
  readonly is: "undefined" | "weak" | "defined";
  /** The parts of the name, where the file shows no sign of a livepatch that something has spoiled: it was written by hand. */
  readonly written?: { readonly object: string; readonly name: string; readonly position: number } | "malformed";
}>({
  level: "error",
  title: (d) =>
    d.written === "malformed"
      ? `symbol ${d.symbol} has an incorrectly formatted name, and is not marked as a livepatch symbol`
      : `${d.symbol} is not marked as a livepatch symbol (st_shndx is not 0xff20)`,
  kernel: (d) => (d.is === "undefined" ? `${d.module}: Unknown symbol ${d.printed} (err -2)` : null),
  why: (d) => {
    if (d.is !== "undefined") {
      return `the loader takes the symbol's value, 0, and says nothing; GNU \`ld -r\` makes ${d.is === "weak" ? "undefined" : "absolute"} ones of livepatch symbols`;
    }
    return d.written === undefined
      ? "the loader looks for an exported symbol of that full name; GNU `ld -r` turns livepatch symbols into such ones"
      : "the name alone makes no livepatch symbol: the loader looks for an exported symbol of that full name";
  },
  help: (d) => {
    if (d.written === undefined) return "run klplink after the last `ld -r`, on the finished module";
    if (d.written === "malformed") {
      return "use the symbol's own name in the source, and klplink names and marks it; the form is .klp.sym.OBJECT.NAME,POSITION";
    }
    const { object, name, position } = d.written;
    const where = object === "vmlinux" ? "`-k vmlinux`" : `\`-k vmlinux -m ${object}.ko\``;
    const which =
      position > 0 ? ` and \`--sympos ${object === "vmlinux" ? "" : `${object}:`}${name}=${position}\`` : "";
    return `use the name \`${name}\` in the source: klplink with ${where}${which} names and marks the symbol, and moves its relocations`;
  },
  explain:
    "A symbol named .klp.sym.* must have section index SHN_LIVEPATCH (0xff20), and its relocations stand in a .klp.rela section. If it is undefined (0), the loader treats it as any other undefined symbol; if it is weak, or absolute, the module loads and its code goes to address 0.",
});

export const KLP409 = define<{ readonly symbol: string }>({
  level: "error",
  title: (d) => `symbol ${d.symbol} has an incorrectly formatted name`,
  kernel: (d) => `livepatch: symbol ${d.symbol} has an incorrectly formatted name`,
  help: () => "the form is .klp.sym.OBJECT.NAME,POSITION: OBJECT of 1 to 55 bytes without a dot, NAME without a comma",
  explain: "The kernel takes a livepatch symbol's name apart into object, name and position, and stops when it cannot.",
});

export const KLP411 = define<{ readonly name: string }>({
  level: "error",
  title: (d) => `section ${d.name} holds livepatch relocations, but its name does not say for which object`,
  kernel: (d) => `livepatch: section ${d.name} has an incorrectly formatted name`,
  help: () => "the form is .klp.rela.OBJECT.SECTION: OBJECT is vmlinux or a module's name",
  explain:
    "A section with the flag SHF_RELA_LIVEPATCH (0x100000) must be named .klp.rela.OBJECT.SECTION. The kernel reads OBJECT from it and refuses the module if there is none.",
});

export const KLP412 = define<{
  readonly symbol: string;
  /** Section index of the symbol table, and the relocation's number in its section: both stand in newer messages. */
  readonly table: number;
  readonly row: number;
  readonly withIndex: boolean;
}>({
  level: "error",
  title: (d) =>
    `${d.symbol === "" ? "a relocation without a symbol" : d.symbol} is in a livepatch section, but is not a livepatch symbol`,
  kernel: (d) =>
    d.withIndex
      ? `livepatch: symbol ${d.symbol} at rela sec ${d.table} idx ${d.row} is not marked as a livepatch symbol`
      : `livepatch: symbol ${d.symbol} is not marked as a livepatch symbol`,
  why: () => "each symbol of a .klp.rela section must have the section index SHN_LIVEPATCH (0xff20)",
  help: () => "run klplink on the file as it was before other tools finished or joined it",
  explain:
    "Relocations in .klp.rela sections are resolved by the livepatch core. It takes symbols with st_shndx 0xff20 only, and refuses the module at the first other one.",
});

export const KLP413 = define<{ readonly symbol: string; readonly section: string }>({
  level: "error",
  title: (d) => `${d.symbol} of vmlinux is used from ${d.section}, which waits for a module`,
  kernel: (d) =>
    `livepatch: invalid access to vmlinux symbol '${d.symbol}' from module-specific livepatch relocation section`,
  help: () => "put relocations against symbols of vmlinux into .klp.rela.vmlinux sections, whatever object they patch",
  explain:
    "Since 5.8 relocations against vmlinux are applied when the livepatch module loads. The kernel refuses them in sections that are applied later.",
});

export const KLP414 = define<{
  readonly symbol: string;
  readonly object: string;
  readonly source: string;
  readonly near: readonly string[];
}>({
  level: "error",
  title: (d) => `${d.symbol} is not in ${d.object} (${d.source})`,
  kernel: (d) => `livepatch: symbol '${d.symbol}' not found in symbol table`,
  why: (d) => whyMissing(d.symbol, d.near),
  help: (d) =>
    helpMissing(d.symbol, d.near) ??
    (d.near.length > 0
      ? `did you mean ${d.near.map((n) => `\`${n}\``).join(" or ")}? build the patch for exactly this kernel`
      : "build the patch for exactly this kernel"),
  explain:
    "A livepatch symbol, or an entry of the patch's tables, names a function or variable that the object does not have. Where NAME.part.0 is there and NAME is not, the compiler inlined the beginning of NAME into its callers. Numbers at the end of local statics differ from build to build.",
});

export const KLP415 = define<{
  readonly symbol: string;
  readonly object: string;
  readonly source: string;
  readonly count: number;
}>({
  level: "error",
  title: (d) => `${d.symbol} has position 0, but ${d.count} symbols of ${d.object} have that name (${d.source})`,
  kernel: (d) =>
    `livepatch: unresolvable ambiguity for symbol '${d.symbol}' in object '${d.object === "vmlinux" ? "(null)" : d.object}'`,
  help: (d) => `give the position of the one that is meant, 1 to ${d.count}`,
  explain:
    "Position 0 says that the name is unique. The kernel refuses it when there are several symbols of that name in the object.",
});

export const KLP416 = define<{
  readonly symbol: string;
  readonly object: string;
  readonly source: string;
  readonly position: number;
  readonly count: number;
}>({
  level: "error",
  title: (d) =>
    `${d.symbol} has position ${d.position}, but ${d.object} has ${d.count} symbol${d.count === 1 ? "" : "s"} of that name (${d.source})`,
  kernel: (d) => `livepatch: symbol position ${d.position} for symbol '${d.symbol}' in object '${d.object}' not found`,
  help: () => "build the patch for exactly this kernel; positions change from build to build",
  explain:
    "A position counts the symbols of one name in the object: those of vmlinux by address, those of a module in the order of its symbol table.",
});

export const KLP417 = define<{ readonly name: string }>({
  level: "error",
  title: (d) => `${d.name} is not kept in memory (no SHF_ALLOC), but is needed later`,
  why: () => "the kernel reads the section when its object is loaded; by then the copy of the file is freed",
  help: () => "set SHF_ALLOC on livepatch relocation sections; `objcopy` and old tools drop it",
  explain:
    "Relocation sections are thrown away after a module has loaded. Livepatch ones must be part of the module (SHF_ALLOC), since they are applied when the patched module is there.",
});

export const KLP418 = define<{ readonly name: string; readonly target: string }>({
  level: "error",
  title: (d) => `${d.name} relocates ${d.target === "" ? "no section" : d.target}, which is not loaded`,
  why: () => "the kernel skips such a section for vmlinux without a word, and writes to freed memory for a module",
  help: () => "sh_info of a livepatch relocation section is the index of the section that it relocates",
  explain: "The target of a .klp.rela section (its sh_info) must be a section with SHF_ALLOC.",
});

export const KLP419 = define<{
  readonly name: string;
  readonly meant: string;
  readonly read: string;
  readonly tooLong: boolean;
}>({
  level: "error",
  title: (d) => `${d.name} is for object \`${d.meant}\`, but the kernel reads \`${d.read}\``,
  why: (d) =>
    d.tooLong
      ? "an object's name has at most 55 bytes; the rest is not compared"
      : "the object's name ends at the first dot",
  help: (d) =>
    d.tooLong
      ? "no module can have such a name"
      : "use the module's name as the kernel has it: without .ko, with _ for -",
  explain:
    "The kernel takes the object from a section's name up to the first dot and at most 55 bytes. A name with a dot, such as zfs.ko, is read as another object, so the relocations wait for the wrong module.",
});

export const KLP420 = define<{ readonly producer: string; readonly what: string; readonly command: string }>({
  level: "error",
  title: (d) => `not finished: ${d.what} is what ${d.producer} leaves for a later step`,
  why: () => "the kernel does not know these sections; its symbols and relocations would be missing",
  help: (d) => `\`${d.command}\` finishes it`,
  fix: (d) => d.command,
  explain:
    "kpatch, klp-convert and objtool write livepatch relocations in a form of their own first. A last step, which klplink is, turns them into .klp.rela sections and .klp.sym symbols.",
});

export const KLP421 = define<{ readonly traces: readonly { readonly producer: string; readonly what: string }[] }>({
  level: "error",
  title: (d) => `a mixture: ${d.traces.map((t) => `${t.what} is from ${PRODUCER_NAMES.get(t.producer)}`).join(", ")}`,
  why: () => "two tools have written into the file, and neither knows what the other meant",
  help: (d) =>
    `link each part with its own tool first, or say which one to go by: \`--from ${d.traces.map((t) => t.producer).join("|")}\``,
  explain:
    "The sections of two producers, or of one beside finished livepatch sections, stand in one file. klplink goes by one of them only where --from names it.",
});

const PRODUCER_NAMES: ReadonlyMap<string, string> = new Map([
  ["kpatch", "kpatch"],
  ["klp-convert", "klp-convert"],
  ["objtool", "objtool"],
  ["klplink", "klplink diff"],
  ["final", "a finished livepatch module"],
]);

export const KLP422 = define<{ readonly producer: string; readonly what: string }>({
  level: "error",
  title: (d) => `the data of ${d.producer} are damaged: ${d.what}`,
  help: (d) => `build the file again; if ${d.producer} is not what made it, say so with --from`,
  explain:
    "A producer's sections have a fixed form. Something in them contradicts it: a missing pointer, a size that is not a multiple of the entry, a string outside its section.",
});

export interface Said {
  readonly object: string;
  readonly position: number;
}

export const KLP423 = define<{ readonly symbol: string; readonly first: Said; readonly second: Said }>({
  level: "error",
  title: (d) =>
    `${d.symbol} is annotated twice: ${d.first.object},${d.first.position} and ${d.second.object},${d.second.position}`,
  help: () => "keep one KLP_SYMPOS of the symbol in the source",
  explain: "Two entries of .klp.module_relocs sections name one symbol with different objects or positions.",
});

export const KLP427 = define<{ readonly name: string; readonly target: string }>({
  level: "warning",
  title: (d) => `${d.name} relocates ${d.target}, which its name does not say`,
  why: () => "the kernel goes by sh_info; tools that go by the name take it for another section",
  help: () => "if the file went through `ld -r` or `objcopy` after it was finished, finish it again afterwards",
  explain: "A livepatch relocation section is named .klp.rela.OBJECT.SECTION after the section that it relocates.",
});

export const KLP428 = define<{ readonly object: string }>({
  level: "error",
  title: (d) => `\`${d.object}\` is not a name that a module can have`,
  why: () => "the kernel compares it with module names, which have letters, digits and _ only",
  help: (d) => `write \`${d.object.replace(/\.ko$/, "").replace(/-/g, "_")}\``,
  explain:
    "Objects are named as the kernel names modules: without .ko, and with _ where the file has -. Another spelling never matches, so nothing is patched and no error is shown.",
});

export const KLP429 = define<{ readonly symbol: string; readonly object: string }>({
  level: "warning",
  title: (d) => `${d.symbol} belongs to ${d.object}, but its relocation is applied when the livepatch loads`,
  why: (d) => `if ${d.object} is not loaded by then, the livepatch is refused`,
  help: (d) => `put it into a .klp.rela.${d.object} section, or make sure that ${d.object} is loaded first`,
  explain: "A .klp.rela.vmlinux section names a symbol of a module. It resolves only if that module is already loaded.",
});

export const KLP430 = define<{ readonly target: string; readonly object: string; readonly symbol: string }>({
  level: "error",
  title: (d) => `${d.target} is read when the livepatch loads, but its relocation waits for ${d.object} (${d.symbol})`,
  why: () => "the kernel uses this table before relocations of modules are applied, with zero in this place",
  help: (d) =>
    d.target === "__jump_table"
      ? "use static_key_enabled() on keys of modules"
      : d.target === ".static_call_sites"
        ? "use KLP_STATIC_CALL() on static calls of modules"
        : "keep references to symbols of modules out of this table",
  explain:
    "Tables such as __jump_table and .altinstructions are worked through while the livepatch itself loads. Relocations in .klp.rela.MODULE come later, so such an entry points to nothing.",
});

export const KLP431 = define<{
  readonly name: string;
  readonly target: string;
  readonly object: string;
  readonly how: "oops" | "skip";
  readonly message: string | null;
}>({
  level: "error",
  title: (d) => `${d.name} in ${d.target} waits for ${d.object}: too late to be written`,
  kernel: (d) => d.message,
  why: (d) =>
    d.how === "oops"
      ? "on ppc64le the loader stores this type directly, and the section is read-only by then: the kernel oopses"
      : "on arm64 a late relocation at an address that is not a multiple of 4 is left out without a word",
  help: (d) =>
    d.how === "oops"
      ? "reach the symbol through a pointer in writable data (the TOC, .data); in text only calls may wait"
      : "align the pointer to 4 bytes",
  explain:
    "Relocations of a module's section are applied when the module comes, after the livepatch's text and constants were made read-only.",
});

export const KLP432 = define<{ readonly symbol: string }>({
  level: "error",
  title: (d) => `an ordinary relocation against ${d.symbol}, which is not resolved by then: address 0 is written`,
  why: () => "the loader leaves livepatch symbols alone; they get their value when a .klp.rela section is applied",
  help: () => "move the relocation into a .klp.rela section of the symbol's object: finish the file with klplink",
  explain:
    "A relocation against a livepatch symbol stands outside the livepatch sections. The loader applies it with the symbol's stored value, 0, and says nothing.",
});

export const KLP436 = define<{
  readonly name: string;
  readonly size: number;
  /** Bytes of an entry; several where neither relocations nor the kernel's version decide. */
  readonly entries: readonly number[];
  readonly counted: "divided" | "walked";
}>({
  level: "error",
  title: (d) => `${d.name} has ${d.size} bytes, not a multiple of its entries' ${d.entries.join(" or ")}`,
  why: (d) =>
    d.counted === "walked"
      ? "the kernel takes entry after entry until it is at the section's end, and reads behind it in the last one"
      : "the kernel divides the section's size by an entry's and leaves the rest unread: entries are cut off, or all behind one place are shifted",
  help: () => "build the file again; a tool that copies single entries has taken too few or too many bytes",
  explain:
    "Tables such as __jump_table and .return_sites are arrays. Their size must be a multiple of one entry. How large that is shows in the section's relocations (addresses or distances, and how far they are apart), and in the kernel's version.",
});

export const KLP437 = define<{
  readonly list: string;
  readonly where: string;
  /** The place that ftrace changes and what it wants there; null: the entry leads to no code. */
  readonly found: { readonly there: string; readonly wanted: string; readonly when: "load" | "trace" } | null;
}>({
  level: "error",
  title: (d) =>
    d.found === null || d.found.there === d.where
      ? `${d.list} names ${d.where}, where there is no profiling call`
      : `${d.list} names ${d.where}, but ${d.found.wanted} has to be at ${d.found.there}, too`,
  kernel: (d) => (d.found === null ? null : `ftrace failed to modify [<ADDRESS>] ${d.where}`),
  why: (d) =>
    d.found?.when === "trace"
      ? "ftrace takes the entry for the first of two nops; when the function is traced or patched it compares the second, finds another instruction, and switches itself off"
      : "ftrace compares the instruction before it changes it, finds another one, and switches itself off",
  help: () => "build the file again; entries of functions that were taken out of an object keep their old offset",
  explain:
    "Each entry of ftrace's table (__mcount_loc; on arm64 and ppc64le __patchable_function_entries too) is the address of a function's profiling call, or of the nops in its place: of the first, where there are two. ftrace stops with `ftrace failed to modify` at the first that is not, when the module loads or, for the second nop on arm64, when the function is traced.",
});

export const KLP438 = define<{ readonly name: string; readonly place: string; readonly size: number }>({
  level: "warning",
  title: (d) => `${d.name} leads to ${d.place}, outside the section's ${d.size} bytes`,
  why: () => "sections are loaded apart from each other, so something else stands there",
  help: () =>
    "look whether the symbol is the one that is meant; section symbols with large addends are often wrong ones",
  explain:
    "A relocation's symbol plus addend lies outside the section that the symbol is in. Compilers do that on purpose only for arrays that begin at another index.",
});

export const KLP455 = define<{ readonly name: string; readonly object: string; readonly patched: readonly string[] }>({
  level: "error",
  title: (d) => `${d.name} waits for ${d.object}, which this patch does not patch`,
  why: (d) =>
    `the kernel applies livepatch relocations for the objects of the patch only (${d.patched.join(", ")}): these never are, and code that runs into such a place goes wherever the file's bytes lead`,
  help: (d) =>
    `add ${d.object} to the patch's objects, or let the relocations wait for a patched module that needs ${d.object} loaded`,
  explain:
    "Relocations in .klp.rela.OBJECT are applied when the patch is enabled for OBJECT: when both are loaded, and only for objects that struct klp_patch names. Since 5.8 those for vmlinux are applied while the livepatch itself loads.",
});

export const KLP456 = define<{ readonly source: string }>({
  level: "error",
  title: (d) => `${d.source} is of a kernel without livepatching: the livepatch relocations would never be applied`,
  why: () =>
    "the loader leaves .klp.rela sections to the livepatch core: where that is not built in, their places stay as they are in the file, and nothing is reported",
  help: () => "use a kernel with CONFIG_LIVEPATCH=y, or give the symbols of that kernel with -k",
  explain:
    "The kernel's symbols are all there, its module loader's among them, and none of the livepatch core's (`klp_…`). Debian builds its kernels for ppc64le so. A module without livepatch= in its .modinfo is loaded there (KLP512 is for those with it), with calls that lead nowhere.",
});

export const KLP460 = define<{
  readonly symbol: string;
  readonly object: string;
  /** The reading that was taken, and the other one: `NAME,POSITION`. */
  readonly taken: string;
  readonly others: readonly string[];
}>({
  level: "warning",
  title: (d) => `${d.symbol} can be read in two ways: taken as ${d.taken} of ${d.object}`,
  why: (d) =>
    `a number behind the last dot is a position, or the end of a name such as \`__func__.12345\` (${d.others.join(", ")}), and the symbols at hand do not decide`,
  help: (d) =>
    `write a comma before the position (\`….NAME,POSITION\`), or give the symbols of ${d.object} (${d.object === "vmlinux" ? "-k vmlinux" : `-m ${d.object}.ko`})`,
  explain:
    "klp-convert's names of 2024 end with `,POSITION`, in a later version with `.POSITION`. The compiler's own names end with a dot and a number, too. Where the object's symbols allow one reading only, that one is taken without a word; otherwise the position's, with this warning.",
});

export const KLP461 = define<{ readonly entries: number }>({
  level: "warning",
  title: (d) =>
    `${d.entries === 1 ? "the entry" : `${d.entries} entries`} of .kpatch.arch ${d.entries === 1 ? "is" : "are"} dropped: the kernel's version is not known and counts as 5.8 or later`,
  why: () =>
    "kernels before 5.8 apply alternatives of patched modules from `.klp.arch` sections, which these entries become; without them such a kernel applies alternatives before the livepatch's relocations",
  help: () => "give the version (`--kernel-version 5.4`, `--kernel-version 6.1`)",
  explain:
    "kpatch notes in .kpatch.arch which .altinstructions and .parainstructions belong to which object. Since 5.8 the loader needs no such note. Which of the two a module is for stands in its vermagic; an object before modpost has none.",
});
