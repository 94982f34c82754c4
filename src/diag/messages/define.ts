// What a message of the kernel is, and what the rows about messages share.

import type { ArchName } from "../../base/archName.ts";
import type { Code } from "../definitions.ts";

/** What the parts of a message are. */
export type LineField =
  | "module"
  | "symbol"
  | "word"
  | "type"
  | "value"
  | "address"
  | "errno"
  | "section"
  | "sectionIndex"
  | "row"
  | "object"
  | "name"
  | "number"
  | "text";

export type Fields = Readonly<Partial<Record<LineField, string>>>;

export type Speaker =
  | "module loader"
  | "relocation"
  | "livepatch"
  | "ftrace"
  | "kernel"
  | "kpatch core"
  | "insmod or modprobe"
  | "build tools";

/**
 * What a message is about.
 * - `place`: an instruction, a symbol or a section of the module's file.
 * - `file`: the file as a whole: what it lacks, how it was built or signed, what its code did when it ran.
 * - `machine`: the kernel that runs, what else is loaded there, or how it was asked; no file shows it.
 */
export type Concern = "place" | "file" | "machine";

export interface Message {
  /** As the kernel's format string, `{field}` for each conversion; several where the wording changed. */
  readonly forms: readonly string[];
  readonly by: Speaker;
  readonly concerns: Concern | ((f: Fields) => Concern);
  /** Architectures that print it; absent: all. */
  readonly arch?: ArchName | "s390x";
  /** Kernels that print it, where not all do. */
  readonly kernels?: string;
  /** The diagnostics that stand for it. */
  readonly codes?: readonly Code[];
  /** Those of them that a line's values leave; absent: all. */
  readonly leaves?: (f: Fields) => readonly Code[];
  /** One or two sentences; fewer causes if the codes are known that the module's own file shows. */
  readonly meaning: (f: Fields, found?: readonly Code[]) => string;
  readonly help?: (f: Fields, found?: readonly Code[]) => string;
}

export const checkCommand = (f: Fields): string => `klplink check ${f.module ?? "MODULE"}.ko`;
export const SAME_BUILD =
  "build the module against the very kernel that is to load it (its headers, configuration and compiler)";
export const REBUILD = "build the file again; check that it was copied whole";
export const NEW_KERNEL_FLAGS = "compile with the kernel's own flags, through its build system";

/** An address is a place of the file if the kernel prints a module's name behind it. */
export const ofModule = (f: Fields): Concern => (/ \[\w+\]$/.test(f.address ?? "") ? "place" : "machine");

/** A form as it is shown: fields in capitals. */
export const inCapitals = (form: string): string => form.replace(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase());

/** What a line is about. */
export const concernOf = ({ message: { concerns }, fields }: Recognised): Concern =>
  typeof concerns === "function" ? concerns(fields) : concerns;

/** The diagnostics that stand for a line; undefined if none can. */
export function codesOf({ message, fields }: Recognised): readonly Code[] | undefined {
  const codes = message.leaves?.(fields) ?? message.codes;
  return codes?.length === 0 ? undefined : codes;
}

/** What a line's values are, for its texts: those behind a cut are not known. */
const told = ({ form, fields, cut }: Recognised): Fields => {
  if (cut === null) return fields;
  const names = [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).filter((name) => name !== "module");
  return { ...Object.fromEntries(names.map((name) => [name, "…"])), ...fields };
};
export const lineMeaningOf = (line: Recognised, found?: readonly Code[]): string =>
  line.message.meaning(told(line), found);
export const lineHelpOf = (line: Recognised, found?: readonly Code[]): string | undefined =>
  line.message.help?.(told(line), found);

/** Rows whose form is one fixed sentence. */
export const sentence = (
  by: Speaker,
  concerns: Concern,
  meaning: string,
  help: string,
  ...forms: string[]
): Message => ({
  forms,
  by,
  concerns,
  meaning: () => meaning,
  help: () => help,
});

/** A line that is one of the messages. */
export interface Recognised {
  readonly message: Message;
  /** The one of the message's forms that it has. */
  readonly form: string;
  readonly fields: Fields;
  /** The line without timestamps and the like. */
  readonly text: string;
  /** What the kernel prints where the line ends too early, `{field}` for each conversion; null if the line is whole. */
  readonly cut: string | null;
}
