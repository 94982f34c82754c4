import { SHN_LIVEPATCH } from "../../elf/consts.ts";
import { longestSymbolName } from "../../kernel/versionFacts.ts";
import { KLP_SYMBOL_PREFIX, LONGEST_KLP_NAME } from "../symbols/names.ts";
import type { RuleContext } from "./context.ts";

const [COMMA, ZERO, NINE] = [0x2c, 0x30, 0x39] as const;

/**
 * Tells livepatch symbols of which a section's rules have nothing to say from their bytes, as nearly all are: they are symbols of the
 * section's own object, and if the kernel's symbols are known, the only ones of their names. A livepatch may have tens of thousands.
 */
export class SoundSymbols {
  readonly #context: RuleContext;
  /** What their names begin with. */
  readonly #prefix: string;
  readonly #longest: number;
  /** Whether anything is known of the object's symbols, and all of it by the kernel's list. */
  readonly #looked: "nowhere" | "in the list" | "in a module";

  /** @param object of the section */
  constructor(context: RuleContext, object: string) {
    const { kernel } = context;
    this.#context = context;
    this.#prefix = `${KLP_SYMBOL_PREFIX}${object}.`;
    this.#longest = Math.min(LONGEST_KLP_NAME, longestSymbolName(context.version));
    const isListed = object === "vmlinux" && kernel?.hasSymbols === true;
    this.#looked = kernel?.modules.has(object) === true ? "in a module" : isListed ? "in the list" : "nowhere";
  }

  /** False: the rules have to look. */
  has(symbol: number): boolean {
    const { symbols, kernel } = this.#context;
    const { names } = symbols;
    const { bytes } = names;
    if (this.#looked === "in a module" || symbols.rawShndx(symbol) !== SHN_LIVEPATCH) return false;
    const start = symbols.nameOffset(symbol);
    if (!names.startsWith(start, this.#prefix)) return false;
    const name = start + this.#prefix.length;
    const most = name + this.#longest;
    let end = name;
    while (end <= most && bytes[end] !== COMMA && bytes[end] !== 0) end++;
    const digit = bytes[end + 1] ?? 0;
    if (end === name || end > most || bytes[end] !== COMMA || digit < ZERO || digit > NINE) return false;
    if (bytes[end + 2] !== 0) return false;
    if (this.#looked === "nowhere") return true;
    // 0: the only one; 1: the first.
    return digit <= ZERO + 1 && kernel !== null && kernel.lone(bytes, name, end) >= 0;
  }
}
