declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A 64-bit address: always in [0, 2^64). */
export type Addr = Brand<bigint, "Addr">;

/** The only door into {@link Addr}: wraps any integer to 64 bits. */
export const addr = (value: bigint): Addr => BigInt.asUintN(64, value) as Addr;

/** Marks a switch as exhaustive: a new variant does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
