// Two builds of a source file: what a livepatch cannot carry from one to the other.

import { define } from "../define.ts";

const listed = (names: readonly string[]): string => names.map((n) => `\`${n}\``).join(", ");

export const KLP701 = define<{ readonly name: string; readonly what: string; readonly detail: string }>({
  level: "error",
  title: (d) => `the patch changes data: \`${d.name}\` (${d.what}${d.detail === "" ? "" : `: ${d.detail}`})`,
  why: (d) =>
    `\`${d.name}\` already exists in the running kernel with its own value; a livepatch replaces functions only`,
  help: () =>
    "set it in a pre-patch callback, or change the functions that read it; new members of a structure belong into a shadow variable (klp_shadow_alloc)",
  explain:
    "An initialiser of a variable, its size, or what it points to is another in the patched object. The running kernel has had the variable since it started: code can use it, but nothing puts the new value there. Tables of constants are variables as well: others hold their addresses.",
});

export const KLP702 = define<{
  readonly name: string;
  readonly users: readonly string[];
  readonly candidates: readonly string[];
}>({
  level: "error",
  title: (d) =>
    `the state of \`${d.name}\` would be lost: it is not certain which variable of the patched object it is`,
  why: (d) =>
    `${d.users.length === 0 ? "the original" : listed(d.users)} uses \`${d.name}\`, and in the patched object it may be ${listed(d.candidates)}: compilers number static variables, and patches rename them`,
  help: (d) =>
    `say which it is: --pair ${d.name}=${d.candidates[0] ?? "NAME"}; or, if it is none of them and its value may go: --pair ${d.name}=`,
  explain:
    "A static variable of a function is called NAME.NUMBER, and the number may be another in the next build. klplink pairs such variables by the references to them. Where those do not tell, a wrong pair would give a function the value of another variable, and no pair a fresh one. Neither is done without being asked for.",
});

export const KLP703 = define<{ readonly section: string; readonly why: string }>({
  level: "error",
  title: (d) => `the size of an entry of ${d.section} is not known: ${d.why}`,
  why: () => "without it nothing can say which entries belong to which function, and whether they changed",
  help: (d) =>
    `state it: --entry-size ${d.section}=BYTES; and report the kernel's version and configuration: the table is of a form that klplink does not know`,
  explain:
    "Tables such as __bug_table and .altinstructions have entries that belong to functions. Their size depends on the kernel; klplink finds it from the section's relocations, which must repeat with it.",
});

export const KLP704 = define<{ readonly orig: string; readonly patched: string }>({
  level: "error",
  title: (d) =>
    d.orig === d.patched
      ? "the two objects have different flags in their headers"
      : `the original is for ${d.orig}, the patched object for ${d.patched}`,
  help: () => "build both with the same compiler and configuration",
  explain: "Two builds of one file by one compiler are for one architecture and one ABI.",
});

export const KLP705 = define<{ readonly pair: string }>({
  level: "error",
  title: (d) => `--pair ${d.pair} does not name one variable of each object that is still to be paired`,
  help: () => "the names are those of the symbol tables, as `klplink show --symbols` lists them: cnt.2=cnt.4",
  explain:
    "With --pair ORIG=PATCHED each name must be that of exactly one variable, and neither may be in another pair.",
});

export const KLP706 = define<{ readonly name: string; readonly what: string; readonly detail: string }>({
  level: "warning",
  title: (d) => `\`${d.name}\` changed, but it is init code or data, which is gone from a running kernel`,
  help: () => "redo its effect in a callback of the livepatch, if it has one that counts",
  explain:
    "What stands in .init and .exit sections runs once, or never. A change to it has no effect on a running kernel, and is not taken into a livepatch.",
});

export const KLP707 = define<{ readonly section: string; readonly why: string; readonly inOrig: boolean }>({
  level: "error",
  title: (d) => `the content of ${d.section} differs, and nothing says to which function it belongs: ${d.why}`,
  help: (d) =>
    `if it is a table whose entries begin with the place in their function, state their size: --entry-size ${d.section}=BYTES; if it is data, give it a name`,
  explain:
    "A section without symbols that no code refers to is most often a table that the kernel's linker script collects. A difference in one that klplink does not know may be a part of the change, so it is not passed over.",
});

const ORIGIN = "klplink finds the symbols of the running kernel in what -k and -m give";

export const KLP708 = define<{
  readonly name: string;
  readonly object: string;
  readonly count: number;
  readonly inModules: boolean;
}>({
  level: "error",
  title: (d) =>
    d.inModules
      ? `${d.count} modules have a symbol \`${d.name}\`, and none exports it alone`
      : `${d.object} has ${d.count} symbols called \`${d.name}\`, and nothing says which is meant`,
  why: () => "the livepatch core counts the symbols of a name; the wrong one would be patched, or used",
  help: (d) =>
    `give vmlinux itself, whose symbol table names source files, in place of a list of symbols; or say which it is, counted by address (vmlinux) or in the symbol table (a module): --sympos ${d.name}=N`,
  explain: `Static functions and variables of different files may have one name. ${ORIGIN}; of several symbols of a name the one of an object file is told by the source file that a symbol table names, and by the object's other names beside it. Where neither tells, nothing is guessed.`,
});

export const KLP709 = define<{ readonly name: string; readonly object: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` is not in the kernel that -k and -m give`,
  why: (d) =>
    `taken code uses it, and neither vmlinux nor ${d.object === "vmlinux" ? "a module" : d.object} has such a symbol`,
  help: () =>
    "give the kernel that will be patched, built from the source of the original object, and with -m the modules that are used",
  explain: `${ORIGIN}. A symbol that is in none of them cannot be resolved when the livepatch is loaded: the original object is of another kernel, or of another configuration, or the compiler inlined it there.`,
});

export const KLP710 = define<{ readonly name: string; readonly why: string; readonly callers: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` changed, but ftrace cannot patch it: ${d.why}`,
  why: (d) =>
    d.callers === "none"
      ? "no function of this object calls it, so none can be patched in its place"
      : d.callers === "address"
        ? "its address is handed out, so not all of its callers are known"
        : "code of other objects may call it",
  help: () => "change its callers as well, so that they call another function, or make it `static __always_inline`",
  explain:
    "A livepatch redirects a function at a patch site that the compiler put at its entry. Functions that are notrace, assembler, or inline functions that the compiler did not inline have none. Of a static function klplink patches the callers instead, where only calls refer to it.",
});

export const KLP711 = define<{ readonly name: string; readonly target: string; readonly why: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` refers to ${d.target}, which a livepatch cannot: it is ${d.why}`,
  help: () => "change the source so that the function does not need it, or build as the message says",
  explain:
    "Code that is taken into a livepatch module lies far from the kernel and may refer to what it brings along and to named symbols. Places in the middle of other functions, distances that the assembler resolved, init code and global offset tables are out of its reach.",
});

export const KLP713 = define<{
  readonly section: string;
  readonly name: string;
  readonly object: string;
  readonly function: string;
}>({
  level: "error",
  title: (d) => `\`${d.function}\` has an entry in ${d.section} that needs \`${d.name}\` of ${d.object}`,
  why: (d) =>
    `the kernel reads ${d.section} when the livepatch module is loaded, and ${d.object} may come later: the entry would hold nothing`,
  help: () => "use static_key_enabled() in place of a jump label, KLP_STATIC_CALL() in place of a static call",
  explain:
    "Livepatch relocations for a module are applied when that module is loaded. Tables such as __jump_table are read once, when the livepatch module itself is loaded.",
});

export const KLP714 = define<{ readonly section: string; readonly name: string }>({
  level: "error",
  title: (d) => `${d.section} refers to \`${d.name}\`, and klplink does not know what kind of table it is`,
  why: () => "entries of the function would be missing in the livepatch",
  help: (d) =>
    `if its entries begin with the place in their function, state their size: --entry-size ${d.section}=BYTES; and report it with the kernel's version and configuration`,
  explain:
    "Tables of the kernel have entries that belong to functions. Those of known tables go along with the function; one that is not known is not passed over.",
});

export const KLP715 = define<{ readonly name: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` is in a section group, of which the linker may keep another object's copy`,
  help: () => "build without the option that makes section groups (-fno-…), or move the function out of the header",
  explain:
    "Of section groups of one name the linker keeps the first. Which copy the running kernel has cannot be known from one object.",
});

export const KLP716 = define<{ readonly section: string; readonly why: string }>({
  level: "error",
  title: (d) => `what the patch says in ${d.section} cannot be followed: ${d.why}`,
  help: () => "`klplink glue DIR` writes klplink.h, which has all that a patch can say",
  explain:
    "The source of a patch may name callbacks, states, pairs of variables, and what counts as unchanged, with the macros of kpatch, of the kernel's own livepatch_helpers.h, or of klplink.h. One that is not known, or not well formed, is not passed over.",
});

export const KLP745 = define<{ readonly name: string; readonly constant: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` has in its code what the kernel makes of \`${d.constant}\` when it starts`,
  why: () =>
    "the kernel writes such constants (runtime_const_shift_right_32, include/asm/runtime-const.h) into its own code and into no module's: the copy would work with a number that stands for nothing",
  help: () =>
    "leave this function as it is and change its callers; let them call a function of the kernel that has the constant",
  explain:
    "Since 6.11 kernels write what is settled at boot into instructions: addresses and sizes of tables, limits of user memory. Where such a constant is a value that a variable holds, klplink takes a load from that variable in its place, as the kernel's own modules do. The width of a shift has no such form of the same length.",
});

export const KLP736 = define<{ readonly form: string }>({
  level: "error",
  title: (d) => `the patch has states (KLPLINK_STATE), for which the form of ${d.form} has no place`,
  help: () => "write klplink's own form, whose glue hands states to the livepatch core, or take the states out",
  explain:
    "The intermediate files of kpatch and of 7.2's objtool hold functions and callbacks. What kpatch's patch hook and the kernel's scripts/livepatch/init.c make of them has no states (klp_patch.states), so a livepatch made of such a file would lose them without a word.",
});

export const KLP737 = define<{ readonly name: string; readonly before: string; readonly after: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` stands for ${d.before}, and in the patched object for ${d.after}`,
  why: () =>
    "code of other files that uses the name goes on with what it stands for in the running kernel; a livepatch replaces a function at its address, whatever its names are",
  help: (d) =>
    `leave the name as it is and change what it stands for; or change the functions that use \`${d.name}\`, so that they call another one`,
  explain:
    "An alias is a second name of a function or a variable, such as a weak default has. Where the patch lets it stand for another one, no function need differ, and still everything that uses the name would have to. The same holds for a name that is a number (an absolute symbol), for a variable that was a function, and for the size of a common symbol.",
});

export const KLP739 = define<{ readonly name: string; readonly object: string }>({
  level: "error",
  title: (d) => `\`${d.name}\` is weak in the original, and the kernel has another one in its place`,
  why: () =>
    "the kernel's symbol is not weak, so a file of the architecture or the configuration overrides the function that changed: the livepatch would replace that one",
  help: (d) =>
    `the running kernel does not have the code that changed: leave \`${d.name}\` out of the patch, or patch the file that overrides it`,
  explain:
    "Of a weak function the linker keeps the definition that is not weak, if there is one. A livepatch finds functions by their names alone. nm, System.map and kallsyms have W for a weak symbol, which tells which one the kernel has.",
});

export const KLP744 = define<{
  readonly name: string;
  readonly text: string;
  readonly use: "compare" | "store";
  /** Functions and data of the kernel that hold the address, or compare with it. */
  readonly holders: readonly string[];
}>({
  level: "warning",
  title: (d) =>
    d.use === "compare"
      ? `\`${d.name}\` compares a pointer with the address of a string that the kernel's own code or data holds: ${shortText(d.text)}`
      : `\`${d.name}\` stores the address of a string with which the kernel's own code compares: ${shortText(d.text)}`,
  why: (d) =>
    `the livepatch has a copy of the string; ${listedNames(d.holders)} ${d.holders.length === 1 ? "has" : "have"} the one of the kernel, at another address`,
  help: () =>
    "compare the characters (strcmp), or something else than the string; a named array (static const char NAME[]) of the original keeps its address",
  explain:
    "Strings without a name are taken along, since nothing tells their place in the kernel. In one build the same string of a file has one address, and some code relies on it: sctp compares a stored literal's. With a livepatch the original's data and functions have one address, and the functions that are replaced another. Told is what is compared or stored directly; an address that is handed on to a function first is not followed.",
});

const shortText = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
const listedNames = (names: readonly string[]): string =>
  names
    .slice(0, MOST_SIZES)
    .map((n) => `\`${n}\``)
    .join(", ") + (names.length > MOST_SIZES ? ` and ${names.length - MOST_SIZES} more` : "");

export const KLP743 = define<{
  readonly object: string;
  /** Functions that are replaced. */
  readonly count: number;
  /** Those of another size, bytes: in the original, and in the kernel, exactly or at most. */
  readonly sizes: readonly {
    readonly name: string;
    readonly size: number;
    readonly there: number;
    readonly isExact: boolean;
  }[];
}>({
  level: "warning",
  title: (d) =>
    d.sizes.length === 1
      ? `\`${d.sizes[0]?.name}\` is not as large in ${d.object} as in the original: ${sizesText(d.sizes[0])}`
      : `${d.sizes.length} of the ${d.count} functions that are replaced are not as large in ${d.object} as in the original`,
  why: (d) =>
    `${d.sizes.length === 1 ? "" : `${listedSizes(d.sizes)}: `}the original object was built otherwise than what runs, by another compiler, with another configuration, or of another source, so what was compared is not what is there`,
  help: () =>
    "build both objects of the kernel's own source, with its configuration and its compiler (its banner, `Linux version …`, names it)",
  explain:
    "Both objects that are compared should be the kernel's, but for the patch and for sections of functions and data. A function that has another size in the kernel was compiled otherwise: it may have other functions inlined, or be inlined elsewhere, and the livepatch would not replace that code. Sizes are those of the symbols of vmlinux, or of a module's file; a list of symbols without sizes (System.map, kallsyms) tells by the next symbol how much room there is at most. Differences that come of the sections alone are known, and not told.",
});

type Sized = { readonly name: string; readonly size: number; readonly there: number; readonly isExact: boolean };
const sizesText = (s: Sized | undefined): string =>
  s === undefined ? "" : `${s.size} bytes, and there ${s.isExact ? "" : "at most "}${s.there}`;
const listedSizes = (all: readonly Sized[]): string =>
  all
    .slice(0, MOST_SIZES)
    .map((s) => `\`${s.name}\` ${sizesText(s)}`)
    .join("; ") + (all.length > MOST_SIZES ? `; and ${all.length - MOST_SIZES} more` : "");
const MOST_SIZES = 4;

export const KLP740 = define<{ readonly name: string; readonly object: string; readonly isFunction: boolean }>({
  level: "error",
  title: (d) => `\`${d.name}\` is new in this file, and ${d.object} has one already`,
  why: (d) =>
    d.isFunction
      ? `code of other files goes on calling the one that ${d.object} has: a new function replaces none`
      : `code of other files goes on with the one that ${d.object} has, and the livepatch would have a second one with a value of its own`,
  help: (d) =>
    d.isFunction
      ? "change the function in the file where it is, or give the new one another name and change what calls it"
      : "leave the variable in the file where it is",
  explain:
    "A patch may move a function or a variable to another file, or add a definition that takes the place of a weak one. The linker of a whole kernel would let everything that uses the name have the new one. A livepatch changes only functions that are the same function before and after, in one file.",
});
