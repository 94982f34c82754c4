// The format strings that a kernel's source prints, read out of the source: what test/tools/kernelMessages.test.ts asks
// `klplink explain` to recognise. No text of the kernel is kept here.

/** A line that the kernel prints, as its source has it. */
export interface Format {
  /** Path below the source's top folder. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The function or macro that prints it. */
  readonly by: string;
  /** The format with its `pr_fmt` before it, without the level. */
  readonly format: string;
}

/** C source without comments, each replaced by blanks so that lines keep their numbers. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'/g, (found) =>
    found.startsWith("/") ? found.replace(/[^\n]/g, " ") : found,
  );
}

/** End of the parenthesis that opens at `start`: the index behind it. */
function behindParenthesis(source: string, start: number): number {
  const token = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'|[()]/g;
  token.lastIndex = start;
  let depth = 0;
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    if (match[0] === "(") depth++;
    else if (match[0] === ")" && --depth === 0) return token.lastIndex;
  }
  return source.length;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", '"': '"', "\\": "\\", "'": "'" };

/** The text of adjacent string literals; null where anything else stands among them. */
function literal(expression: string, names: ReadonlyMap<string, string>): string | null {
  let text = "";
  let rest = expression.trim();
  while (rest !== "") {
    const string = /^"((?:[^"\\\n]|\\.)*)"\s*/.exec(rest);
    const word = /^([A-Z_a-z]\w*)\s*/.exec(rest);
    if (string !== null) text += (string[1] ?? "").replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
    else if (word !== null && names.has(word[1] ?? "")) text += names.get(word[1] ?? "") ?? "";
    else return null;
    rest = rest.slice((string ?? word)?.[0].length ?? 0);
  }
  return text;
}

/** Arguments of a call, split at its own commas. */
function argumentsOf(inside: string): string[] {
  const parts: string[] = [];
  const token = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'|[()[\]{},]/g;
  let depth = 0;
  let start = 0;
  for (let match = token.exec(inside); match !== null; match = token.exec(inside)) {
    if (/^[([{]/.test(match[0])) depth++;
    else if (/^[)\]}]/.test(match[0])) depth--;
    else if (match[0] === "," && depth === 0) {
      parts.push(inside.slice(start, match.index));
      start = match.index + 1;
    }
  }
  parts.push(inside.slice(start));
  return parts;
}

/** Which argument of each is the format. */
const PRINTERS: Readonly<Record<string, number>> = {
  printk: 0,
  printk_ratelimited: 0,
  printk_once: 0,
  pr_emerg: 0,
  pr_alert: 0,
  pr_crit: 0,
  pr_err: 0,
  pr_err_once: 0,
  pr_err_ratelimited: 0,
  pr_warn: 0,
  pr_warn_once: 0,
  pr_warn_ratelimited: 0,
  pr_notice: 0,
  pr_notice_once: 0,
  pr_info: 0,
  pr_info_once: 0,
  panic: 0,
  WARN: 1,
  WARN_ONCE: 1,
};

/**
 * All formats of one C file. Calls whose format is not a literal, and parts of lines (pr_cont), are left out; pr_debug and
 * pr_devel print nothing in a kernel that is not told to.
 */
export function formatsOf(file: string, text: string): Format[] {
  const source = withoutComments(text);
  const stem = (file.split("/").at(-1) ?? "").replace(/\.c$/, "");
  const names = new Map([
    ["KBUILD_MODNAME", file.startsWith("kernel/livepatch/") ? "livepatch" : stem.replace(/-/g, "_")],
  ]);
  for (const [, name, value] of source.matchAll(/^#define\s+(\w+)\s+("(?:[^"\\\n]|\\.)*")\s*$/gm)) {
    names.set(name ?? "", literal(value ?? "", names) ?? "");
  }
  const prefixText = /^#define\s+pr_fmt\(\w+\)\s+(.*?)\s*\w+\s*$/m.exec(source)?.[1];
  const prefix = prefixText === undefined ? "" : (literal(prefixText, names) ?? "");
  const formats: Format[] = [];
  for (const match of source.matchAll(/\b(printk\w*|pr_\w+|panic|WARN(?:_ONCE)?)\s*\(/g)) {
    const by = match[1] ?? "";
    const position = PRINTERS[by];
    if (position === undefined || /#define\s+$/.test(source.slice(0, match.index))) continue;
    const open = match.index + match[0].length - 1;
    const inside = source.slice(open + 1, behindParenthesis(source, open) - 1);
    const argument = argumentsOf(inside)[position] ?? "";
    if (/^\s*KERN_CONT\b/.test(argument)) continue;
    const format = literal(argument.replace(/^\s*KERN_[A-Z]+/, ""), names);
    if (format === null) continue;
    const line = source.slice(0, match.index).split("\n").length;
    formats.push({ file, line, by, format: (by.startsWith("pr_") ? prefix : "") + format });
  }
  return formats;
}

/** A line as the format prints it: each conversion filled in with something of its kind. */
export function filledIn(format: string): string {
  return format.replace(
    /%(?<flags>[-+ #0]*)(?<width>\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|L|z|t)?(?<kind>[diuxXcps%])(?<more>[A-Za-z]*)/g,
    (whole, ...rest) => {
      const { kind, more, width, flags } = rest.at(-1) as Record<string, string | undefined>;
      const after = more ?? "";
      switch (kind) {
        case "%":
          return `%${after}`;
        case "d":
        case "i":
        case "u":
          return `7${after}`;
        case "x":
        case "X":
          return `${flags?.includes("#") === true ? "0x" : ""}${width === "08" || width === "8" ? "3d220000" : "ffff8881"}${after}`;
        case "c":
          return `x${after}`;
        case "s":
          return `name_1${after}`;
        case "p": {
          const extension = /^(?:[SsBF]R?b?|K|x|h[CDN]?|e[a-z]*)/.exec(after)?.[0] ?? "";
          const tail = after.slice(extension.length);
          if (/^[SsBF]/.test(extension)) return `show_1+0x1c/0x60 [name_1]${tail}`;
          if (extension.startsWith("h")) return `0f 1f 44 00 00${tail}`;
          return `00000000bf3ddb2e${tail}`;
        }
        default:
          return whole;
      }
    },
  );
}
