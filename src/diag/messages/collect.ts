// The messages in a log of any length, each line once, in bounded memory.

import { lineHelpOf, type Message, type Recognised } from "./define.ts";
import { recogniseLine } from "./recognise.ts";

/** A line that is a message, and how often it came, numbers included. */
export interface Collected {
  readonly recognised: Recognised;
  readonly count: number;
}

/** Lines of one message that are too many to be kept. */
export interface Unlisted {
  readonly message: Message;
  /** So many lines; which of them are alike is not known. */
  readonly count: number;
}

interface Kept {
  readonly recognised: Recognised;
  count: number;
}

/** So many different lines are kept, whatever they are. */
const FIRST = 2000;
/** Of those behind them, the last so many of each message. */
const LAST = 20;

/** Lines of one kind: those that matter, or notices of the normal course of things. */
class Pool {
  readonly #first = new Map<string, Kept>();
  /** Each in the order of their first coming. */
  readonly #last = new Map<Message, Map<string, Kept>>();
  readonly #unlisted = new Map<Message, number>();
  /** Of a kept line: how many different ones were kept before it. */
  readonly #rank = new Map<Kept, number>();
  #ranks = 0;

  add(recognised: Recognised): void {
    const { text, message } = recognised;
    const known = this.#first.get(text) ?? this.#last.get(message)?.get(text);
    if (known !== undefined) {
      known.count++;
      return;
    }
    const kept: Kept = { recognised, count: 1 };
    this.#rank.set(kept, this.#ranks++);
    if (this.#first.size < FIRST) this.#first.set(text, kept);
    else this.#keepLast(message, text, kept);
  }

  #keepLast(message: Message, text: string, kept: Kept): void {
    const last = this.#last.get(message) ?? new Map<string, Kept>();
    this.#last.set(message, last.set(text, kept));
    if (last.size <= LAST) return;
    for (const [oldest, { count }] of last) {
      this.#rank.delete(last.get(oldest) ?? kept);
      last.delete(oldest);
      this.#unlisted.set(message, (this.#unlisted.get(message) ?? 0) + count);
      break;
    }
  }

  get isEmpty(): boolean {
    return this.#first.size === 0;
  }

  lines(): Collected[] {
    return [...this.#rank].sort(([, a], [, b]) => a - b).map(([kept]) => kept);
  }

  unlisted(): Unlisted[] {
    return [...this.#unlisted].map(([message, count]) => ({ message, count }));
  }
}

/** A line's message, and whether it is a notice: {@link lineHelpOf} puts sentences together. */
interface Told {
  readonly recognised: Recognised;
  readonly isNotice: boolean;
}

/** So many lines are remembered with what they are: logs repeat themselves. */
const REMEMBERED = 4096;
/** Longer ones are not remembered. */
const SHORT = 512;
/** The time that printk writes, of which only the digits differ. */
const TIME = /^\[[ \d]{5}\.\d{6}\] /;

export class Collector {
  readonly #matters = new Pool();
  readonly #notices = new Pool();
  readonly #memory = new Map<string, Told | null>();

  /** Takes one line of a log as it is in it. */
  add(line: string): void {
    const told = this.#recognise(line);
    if (told !== null) (told.isNotice ? this.#notices : this.#matters).add(told.recognised);
  }

  #recognise(line: string): Told | null {
    if (line.length > SHORT) return toldBy(line);
    const time = TIME.exec(line)?.[0] ?? "";
    const key = line.slice(time.length);
    const known = time === "" ? undefined : this.#memory.get(key);
    if (known !== undefined) return known;
    const told = toldBy(line);
    // One whose own words include what looks like the time is another at another time.
    if (time !== "" && (told === null || key.includes(told.recognised.text))) {
      if (this.#memory.size >= REMEMBERED) this.#memory.clear();
      this.#memory.set(key, told);
    }
    return told;
  }

  /** Notices are noise between the lines that matter, and stand for themselves where nothing else is. */
  get #shown(): Pool {
    return this.#matters.isEmpty ? this.#notices : this.#matters;
  }

  /** The different lines, in the order in which they came first. */
  lines(): Collected[] {
    return this.#shown.lines();
  }

  /** What came besides, by message. */
  unlisted(): Unlisted[] {
    return this.#shown.unlisted();
  }
}

function toldBy(line: string): Told | null {
  const recognised = recogniseLine(line);
  return recognised === null ? null : { recognised, isNotice: lineHelpOf(recognised) === "nothing" };
}
