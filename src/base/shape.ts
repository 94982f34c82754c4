// What a value out of JSON must look like, as small questions put together: for files that others may have written.

/** Whether a value has a form. */
export type Shape = (value: unknown) => boolean;

export const text: Shape = (value) => typeof value === "string";
/** A text of a form. */
export const textLike =
  (form: RegExp): Shape =>
  (value) =>
    typeof value === "string" && form.test(value);
export const truth: Shape = (value) => typeof value === "boolean";
/** A whole number from 0 on. */
export const natural: Shape = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
export const orNull =
  (shape: Shape): Shape =>
  (value) =>
    value === null || shape(value);
export const oneOf =
  (...words: readonly string[]): Shape =>
  (value) =>
    words.includes(value as string);
export const listOf =
  (shape: Shape): Shape =>
  (value) =>
    Array.isArray(value) && value.every(shape);
/** A list of as many things as there are shapes. */
export const tuple =
  (...shapes: readonly Shape[]): Shape =>
  (value) =>
    Array.isArray(value) && value.length === shapes.length && shapes.every((shape, i) => shape(value[i]));
/** An object with at least these keys. */
export const record =
  (keys: Readonly<Record<string, Shape>>): Shape =>
  (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(keys).every(([key, shape]) => shape((value as Record<string, unknown>)[key]));

/** Whether lists and objects lie at most so deep in one another: those who go through them call themselves. */
export function isAtMostDeep(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const inside = level.filter((v): v is object => typeof v === "object" && v !== null);
    if (inside.length > 0 && depth >= most) return false;
    level = inside.flatMap((v) => Object.values(v));
  }
  return true;
}
