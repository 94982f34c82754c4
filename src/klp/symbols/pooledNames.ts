import type { NamePool } from "../../elf/writer/namePool.ts";
import { KLP_SYMBOL_PREFIX } from "./names.ts";

/** Names of livepatch symbols put together as bytes, as {@link formatKlpSymbol} does it as text: a livepatch has tens of thousands. */
export class KlpNames {
  readonly #pool: NamePool;
  // What the name before had: most of those that follow one another have the same.
  #object: string | null = null;
  #prefix = "";
  #position = 0;
  #suffix = ",0";

  constructor(pool: NamePool) {
    this.#pool = pool;
  }

  /** The number of `.klp.sym.OBJECT.NAME,POSITION`; the name is the bytes of [start, end). */
  of(object: string, position: number, name: Uint8Array, start: number, end: number): number {
    if (object !== this.#object) {
      this.#object = object;
      this.#prefix = `${KLP_SYMBOL_PREFIX}${object}.`;
    }
    if (position !== this.#position) {
      this.#position = position;
      this.#suffix = `,${position}`;
    }
    this.#pool.text(this.#prefix);
    this.#pool.copy(name, start, end);
    this.#pool.text(this.#suffix);
    return this.#pool.take();
  }
}
