// Which message of the loader is provoked by which spoiled module (spoiled.ts), and why the others are not: the page
// docs/loader-messages.md, kept current by test/passes/image/messages.test.ts.

import type { Message } from "../../src/diag/messages/define.ts";
import { livepatchMessages } from "../../src/diag/messages/livepatch.ts";
import { loaderMessages } from "../../src/diag/messages/loader.ts";
import { relocationMessages } from "../../src/diag/messages/relocations.ts";

/** Of the loader's and livepatch's messages those about what `image` looks at: symbols, and livepatch symbols. */
const ABOUT =
  /Unknown symbol|fno-common|invalid section index|(?:symbol|section) \{.*incorrectly|not marked as a livepatch symbol|vmlinux symbol|not found in symbol table|ambiguity|symbol position/;

/** Forms of messages about relocations, stubs and symbols, of the architectures whose modules are loaded here. */
export const forms: readonly { readonly form: string; readonly arch: string }[] = [
  ...relocationMessages.filter((m) => m.by !== "ftrace"),
  ...[...loaderMessages, ...livepatchMessages].filter((m) => m.forms.some((form) => ABOUT.test(form))),
].flatMap((m: Message) =>
  m.arch === "s390x"
    ? []
    : m.forms
        .filter((form) => relocationMessages.includes(m) || ABOUT.test(form))
        // A number may be negative.
        .filter((form) => !form.includes("-{number}"))
        .map((form) => ({ form, arch: m.arch ?? "all" })),
);

const OLD = "printed by kernels that are not among the tested ones (before 6.1)";
const TABLE = "the kernel's own table of relocations would have to be wrong";
const LATER = "is not about a module that is loaded:";

/** Forms that no spoiled module provokes, and why. */
export const notProvoked: Readonly<Record<string, string>> = {
  "unresolvable ambiguity ({number} matches) for symbol '{symbol}' in object '{object}'": OLD,
  "{module}: Expect noop after relocate, got {word}": `${OLD}; it came with 4.15 and went with 4.16`,
  "{module}: Expected nop after call, got {word}": OLD,
  "{module}: doesn't contain .toc or .stubs.": OLD,
  "{module}: Address {address} of stub out of range of {text}.":
    "takes a module of more than 2 GiB: .stubs and the TOC lie in one allocation",
  "{module}: Address of {address} out of range of kernel_toc.":
    "takes an ftrace trampoline more than 2 GiB from the kernel's TOC: both are vmlinux's own",
  "Address of {address} out of range of kernel_toc.":
    "takes an ftrace trampoline more than 2 GiB from the kernel's TOC: both are vmlinux's own",
  "{module}: Address of {address} out of range of 34-bit relative address.":
    "takes an ftrace trampoline more than 8 GiB from the kernel: both are vmlinux's own",
  "{module}: module symtab section missing":
    "a module without a symbol table is refused before (`module has no symbols`)",
  "module {module}: error occurred when applying alternatives":
    "takes a fault in a table of alternatives, which `image` lists and does not judge",
  "module {module}: error occurred during dynamic SCS patching ({errno})":
    "takes damaged unwind tables, which `image` lists and does not judge",
  "do_reloc: unknown relocation operation {number}": TABLE,
  "Invalid {number}-bit data relocation ({text})": TABLE,
  "Invalid length ({number}) for data relocation": TABLE,
  "{module}: Unknown relocation: {type}": "of 32-bit kernels",
  "Invalid relocation target, existing value does not match expected value for sec {sectionIndex}, idx {row}, type {type}, loc {address}, val {value}": `${LATER} a patched one goes, and what its livepatch wrote was changed`,
  "Invalid relocation target, existing value does not match expected value for type {type}, loc {address}, val {value}": `${LATER} a patched one goes, and what its livepatch wrote was changed`,
  "{module}: Unknown symbol {symbol}": OLD,
  "unresolvable ambiguity for symbol '{symbol}'": OLD,
  "unresolvable ambiguity (name={symbol}, {text})": OLD,
  "invalid access to vmlinux symbol '{symbol}' from module-specific livepatch relocation section {section}": OLD,
};
