// Names of files as patches write them.

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

/**
 * A name between double quotes, as git writes what is not plain ASCII (quote.c, unquote_c_style): the escapes of C, bytes in octal.
 * @param at where the first quote stands
 * @returns the name, a byte a character, and where it ends; null if it does not end, or an escape is none
 */
function unquote(text: string, at: number): { readonly name: string; readonly end: number } | null {
  let name = "";
  for (let i = at + 1; i < text.length; i++) {
    const c = text[i] ?? "";
    if (c === '"') return { name, end: i + 1 };
    if (c !== "\\") {
      name += c;
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(text.slice(i + 1, i + 4));
    if (octal !== null) {
      name += String.fromCharCode(Number.parseInt(octal[0], 8));
      i += 3;
      continue;
    }
    const escaped = ESCAPES[text[++i] ?? ""];
    if (escaped === undefined) return null;
    name += escaped;
  }
  return null;
}

/** The name in a line `--- NAME` or `+++ NAME`, without what may stand behind it: a tab, or a time. Null: none, a quote does not end. */
export function headerName(rest: string): string | null {
  if (rest.length > LONGEST) return null;
  if (rest.startsWith('"')) return unquote(rest, 0)?.name ?? null;
  const tab = rest.indexOf("\t");
  const name = tab === -1 ? rest.replace(/\s+\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d.*$/, "") : rest.slice(0, tab);
  return name.replace(/\s+$/, "");
}

/** Whether a line `--- NAME<tab>TIME` has the time that diff gives to a file that is not there (with -N). */
export function isNoTime(rest: string): boolean {
  const time = /\s(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.\d+)?\s*([+-]\d\d)(\d\d)\s*$/.exec(rest);
  if (time === null) return false;
  const zone = time[2] ?? "+00";
  const minutes = Number(zone) * 60 + (zone.startsWith("-") ? -1 : 1) * Number(time[3]);
  return Date.parse(`${(time[1] ?? "").replace(" ", "T")}Z`) === minutes * 60_000;
}

/** A path without its first `count` parts; several slashes count as one. Null if it has not so many. */
export function strip(path: string, count: number): string | null {
  let rest = path;
  for (let n = 0; n < count; n++) {
    const slash = /\/+/.exec(rest);
    if (slash === null) return null;
    rest = rest.slice(slash.index + slash[0].length);
  }
  return rest === "" ? null : rest;
}

/** Characters of a line that names files: two paths as long as one may be, each of them quoted. */
const LONGEST = 2 * 4 * 4096 + 100;

/**
 * The two names of a line `diff --git A B`: those of quoted names, or the only way to cut the line into two names that are the same
 * behind their first `count` parts.
 */
export function gitNames(rest: string, count: number): readonly [string, string] | null {
  if (rest.length > LONGEST) return null;
  if (rest.startsWith('"')) {
    const one = unquote(rest, 0);
    if (one === null || rest[one.end] !== " ") return null;
    const other = rest.slice(one.end + 1);
    const name = other.startsWith('"') ? unquote(other, 0)?.name : other;
    return name === undefined ? null : [one.name, name];
  }
  for (let at = rest.indexOf(" "); at !== -1; at = rest.indexOf(" ", at + 1)) {
    const [one, other] = [rest.slice(0, at), rest.slice(at + 1)];
    if (other.startsWith('"')) {
      const name = unquote(other, 0)?.name;
      return name === undefined ? null : [one, name];
    }
    const names = [strip(one, count), strip(other, count)] as const;
    if (names[0] !== null && names[0] === names[1]) return [one, other];
  }
  return null;
}

/** Why a path of a patch is not one of a file in the tree; null if it is. */
export function pathFault(path: string): string | null {
  if (path === "") return "it is empty";
  if (path.startsWith("/")) return "it begins at the root of the file system";
  for (const character of path) if (character < " " || character === "\x7f") return "it has a control character";
  const parts = path.split("/");
  if (parts.includes("..")) return "it leads out of the tree (`..`)";
  if (parts.includes(".") || parts.includes("")) return "it has an empty part";
  if (parts.some((part) => part.toLowerCase() === ".git")) return "it is inside a .git folder";
  return null;
}
