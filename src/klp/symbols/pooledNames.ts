import { fromLatin1 } from "../../base/bytes.ts";
import type { NamePool } from "../../elf/writer/namePool.ts";
import { KLP_SYMBOL_PREFIX } from "./names.ts";

/** Names of livepatch symbols put together as bytes, as {@link formatKlpSymbol} does it as text: a livepatch has tens of thousands. */
export class KlpNames {
  readonly #pool: NamePool;
  // What the name before had: most of those that follow one another have the same.
  #object: string | null = null;
  #prefix: Uint8Array = new Uint8Array(0);
  #position = 0;
  #suffix: Uint8Array = fromLatin1(",0");

  constructor(pool: NamePool) {
    this.#pool = pool;
  }

  /** The number of `.klp.sym.OBJECT.NAME,POSITION`; the name is the bytes of [start, end). */
  of(object: string, position: number, name: Uint8Array, start: number, end: number): number {
    if (object !== this.#object) {
      this.#object = object;
      this.#prefix = fromLatin1(`${KLP_SYMBOL_PREFIX}${object}.`);
    }
    if (position !== this.#position) {
      this.#position = position;
      this.#suffix = fromLatin1(`,${position}`);
    }
    const pool = this.#pool;
    pool.copy(this.#prefix, 0, this.#prefix.length);
    pool.copy(name, start, end);
    pool.copy(this.#suffix, 0, this.#suffix.length);
    return pool.take();
  }
}
