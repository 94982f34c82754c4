// What a caller gives, looked at before it is used: a wrong argument is a TypeError that names it, never a fault further down.

/** Null: the value is of the kind. Else what is wanted instead: "a Uint8Array". */
export type WantedKind = (value: unknown) => string | null;

const kind =
  (what: string, isIt: (value: unknown) => boolean): WantedKind =>
  (value) =>
    isIt(value) ? null : what;

export const bytes = kind("a Uint8Array", (v) => v instanceof Uint8Array);
export const someText = kind("a string", (v) => typeof v === "string");
export const yesOrNo = kind("a boolean", (v) => typeof v === "boolean");
export const callable = kind("a function", (v) => typeof v === "function");
export const mapping = kind("a Map", (v) => v instanceof Map);
export const list = kind("an array", Array.isArray);
export const oneOfThese = (words: readonly string[]): WantedKind =>
  kind(`one of ${words.map((w) => JSON.stringify(w)).join(", ")}`, (v) => (words as readonly unknown[]).includes(v));
/** @param what as it is to be called: "a Kernel, as openKernel makes it" */
export const made = (type: abstract new (...args: never) => unknown, what: string): WantedKind =>
  kind(what, (v) => v instanceof type);
export const someObject = kind("an object", (v) => typeof v === "object" && v !== null && !Array.isArray(v));
export const anything: WantedKind = () => null;

/** How a value is called in a message; of bytes and objects not what is in them. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "object") return value.constructor?.name ?? "an object";
  const said = typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value).slice(0, 40);
  return typeof value === "function" ? "a function" : said;
}

/** @param where the function and its argument: "link(input)" @throws TypeError */
export function need(where: string, value: unknown, wanted: WantedKind): void {
  const what = wanted(value);
  if (what !== null) throw new TypeError(`${where}: ${what} is wanted, not ${shown(value)}`);
}

/**
 * Options by name; one that does not exist is a mistake, too: most often a misspelt one.
 * @throws TypeError
 */
export function needOptions(where: string, options: unknown, table: Readonly<Record<string, WantedKind>>): void {
  need(`${where}(options)`, options, someObject);
  for (const [name, value] of Object.entries(options as object)) {
    const wanted = table[name];
    if (!Object.hasOwn(table, name) || wanted === undefined)
      throw new TypeError(`${where}: there is no option ${name}; there are ${Object.keys(table).join(", ")}`);
    if (value !== undefined) need(`${where}: option ${name}`, value, wanted);
  }
}
