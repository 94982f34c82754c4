// Lines that are given together: which of them is the reason for which.

import { lineHelpOf, type Recognised } from "./define.ts";

export interface Cause {
  /** The line that is the reason. */
  readonly line: Recognised;
  /** One sentence without a full stop: how the two hang together. */
  readonly how: string;
}

interface Link {
  readonly effect: (line: Recognised) => boolean;
  readonly cause: (line: Recognised, effect: Recognised) => boolean;
  readonly how: string | ((effect: Recognised, cause: Recognised) => string);
}

const isForm = (line: Recognised, words: RegExp): boolean => words.test(line.form);

/** Whether two lines say the same, where both say it. */
const agree = (a: Recognised, b: Recognised, ...fields: ("module" | "symbol")[]): boolean =>
  fields.every((f) => {
    const [one, other] = [a.fields[f], b.fields[f]];
    return one === undefined || other === undefined || one.replace(/-/g, "_") === other.replace(/-/g, "_");
  });

const isUnknown = (errno: string) => (line: Recognised) =>
  isForm(line, /Unknown symbol/) && line.fields.errno === errno;
const isTool = ({ message }: Recognised): boolean => message.by === "insmod or modprobe";
const isSummary = (line: Recognised): boolean => /lines before this one/.test(lineHelpOf(line) ?? "");
/** A part of the report about types (BTF). */
const isType = (line: Recognised): boolean => isForm(line, /^BPF:/);
/** A line that says by itself why something was refused. */
const isReason = (line: Recognised): boolean =>
  !isTool(line) &&
  !isType(line) &&
  line.message.by !== "build tools" &&
  !isSummary(line) &&
  lineHelpOf(line) !== "nothing";

/** The name of the module in a tool's line: the last word of a path, without its ending. */
const namedBy = ({ fields }: Recognised): string | undefined =>
  /([\w-]+?)(?:\.ko(?:\.\w+)?|\.o)?$/.exec(fields.name ?? fields.text ?? "")?.[1];

function isOfModule(reason: Recognised, tool: Recognised): boolean {
  const [named, own] = [namedBy(tool)?.replace(/-/g, "_"), reason.fields.module?.replace(/-/g, "_")];
  return named === undefined || own === undefined || named === own;
}

/** The first that fits is taken. */
const links: readonly Link[] = [
  {
    effect: isUnknown("-22"),
    cause: (c, e) => isForm(c, /about version of symbol|symbol version for/) && agree(c, e, "module", "symbol"),
    how: (e) =>
      `one fault, reported twice: ${e.fields.symbol} is there, but as its checksum does not fit the loader does not take it, and then reports it as unknown`,
  },
  {
    effect: isUnknown("-22"),
    cause: (c, e) => isForm(c, /from namespace/) && agree(c, e, "module", "symbol"),
    how: (e) =>
      `one fault, reported twice: ${e.fields.symbol} is there, but in a namespace that the module does not import`,
  },
  {
    effect: isUnknown("-22"),
    cause: (c, e) => isForm(c, /from proprietary module/) && agree(c, e, "module", "symbol"),
    how: (e) => `one fault, reported twice: ${e.fields.symbol} is there, but in a proprietary module`,
  },
  {
    effect: isUnknown("-16"),
    cause: (c, e) => isForm(c, /gave up waiting/) && agree(c, e, "module"),
    how: "the module that exports the symbol had not finished its own start",
  },
  {
    effect: (e) => isForm(e, /likely not compiled with -mcmodel=kernel/),
    cause: (c) => isForm(c, /overflow in relocation|target, existing value/),
    how: "the kernel's guess at what it reports there",
  },
  {
    effect: isType,
    cause: (c) => isForm(c, /failed to validate module/),
    how: "a part of the report that ends with this line, which names the module",
  },
  {
    effect: (e) => isForm(e, /^Loading of .* is rejected|module verification failed/),
    cause: (c) => isForm(c, /^PKCS#7|^Sig |not signed with expected/),
    how: "what the check of the signature found",
  },
  {
    effect: (e) => isForm(e, /ftrace bug/),
    cause: (c) => c.message.by === "ftrace" && c.fields.word !== undefined,
    how: "the place and the words that ftrace found",
  },
  {
    effect: isSummary,
    cause: isReason,
    how: "the reason for this summary",
  },
  {
    effect: isTool,
    cause: (c, e) => isReason(c) && isOfModule(c, e),
    how: "the kernel's own reason, of which the tool has an error number only",
  },
];

/** Lines further apart than this are about different events; it bounds the time for a long log, too. */
const NEAR = 200;

/** For each line the one beside it that is its reason; lines without one are left out. */
export function causesOf(lines: readonly Recognised[]): ReadonlyMap<Recognised, Cause> {
  const found = new Map<Recognised, Cause>();
  for (const link of links) {
    for (const [i, effect] of lines.entries()) {
      if (found.has(effect) || !link.effect(effect)) continue;
      const near = lines.slice(Math.max(0, i - NEAR), i + NEAR);
      // Not one that is itself explained by another.
      const cause = near.find((c) => c !== effect && !found.has(c) && link.cause(c, effect));
      if (cause === undefined) continue;
      found.set(effect, { line: cause, how: typeof link.how === "string" ? link.how : link.how(effect, cause) });
    }
  }
  return found;
}
