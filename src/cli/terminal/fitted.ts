// Text on a terminal: a line that is too long for it is broken between words, where the terminal would break it within one.

import type { OutputStream } from "../context.ts";

/** Columns that a word has for itself, however far its line is indented. */
const LEAST = 16;
/** Columns by which the rest of a line stands further right than its beginning. */
const HANGING = 4;

/** Ends of lines, codes of the terminal, blanks, commands in backticks, words. */
const PIECES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's codes are among what is written
  /\n|\r|\u001b\[[0-9;?]*[ -/]*[@-~]| +|[^ \n\r\u001b`]*`[^`\n\r\u001b]*`[^ \n\r\u001b]*|[^ \n\r\u001b]+|\u001b/g;

/** Breaks text into lines of at most so many columns, piece by piece as it is written. */
export class Fitted {
  /** Columns of the line so far, with the blanks that are not written yet. */
  #column = 0;
  /** Blanks at the beginning of the line. */
  #indent = 0;
  #hasWord = false;
  /** Blanks and colours that are not written yet: a break takes the place of the blanks. */
  #pending = "";

  /** @param columns of the terminal; 0: it does not say */
  fit(text: string, columns: number): string {
    if (columns === 0) return text;
    let out = "";
    for (const [piece] of text.matchAll(PIECES)) out += this.#piece(piece, columns);
    // The next write may be one that moves the cursor.
    return out + this.#take();
  }

  #piece(piece: string, columns: number): string {
    if (piece.startsWith(" ")) {
      if (!this.#hasWord) this.#indent += piece.length;
      this.#column += piece.length;
      this.#pending += piece;
      return "";
    }
    if (piece.startsWith("\u001b") && piece.endsWith("m")) {
      this.#pending += piece;
      return "";
    }
    if (["\n", "\r", "\u001b"].includes(piece.charAt(0))) {
      const before = this.#take();
      this.#column = 0;
      this.#indent = 0;
      this.#hasWord = false;
      return before + piece;
    }
    const indent = Math.min(this.#indent + HANGING, Math.max(0, columns - LEAST));
    const room = columns - (this.#hasWord ? indent : this.#column);
    if (!piece.includes(" ") || [...piece].length <= room) return this.#word(piece, indent, columns, "");
    // A command that has no room on a line of its own goes on behind a backslash: copied, it is one command still.
    const words = piece.split(/ +/);
    return words
      .map((word, i) => {
        if (i === 0) return this.#word(word, indent, columns - CONTINUED.length, "");
        this.#pending += " ";
        this.#column += 1;
        return this.#word(word, indent, columns - (i === words.length - 1 ? 0 : CONTINUED.length), CONTINUED);
      })
      .join("");
  }

  /** @param behind what ends a line that is broken in front of the word */
  #word(word: string, indent: number, columns: number, behind: string): string {
    const length = [...word].length;
    const isBroken = this.#hasWord && this.#pending.includes(" ") && this.#column + length > columns;
    const before = this.#take();
    if (isBroken) this.#column = indent;
    this.#column += length;
    this.#hasWord = true;
    return isBroken ? `${behind}\n${" ".repeat(indent)}${before.replaceAll(" ", "")}${word}` : before + word;
  }

  #take(): string {
    const pending = this.#pending;
    this.#pending = "";
    return pending;
  }
}

/** Behind a line of a command that goes on in the next one. */
const CONTINUED = " \\";

/** Makes a terminal get lines that fit it; a stream that is none stays as it is. */
export function fitTerminal<Stream extends OutputStream>(stream: Stream): Stream {
  if (stream.isTTY !== true) return stream;
  const write = stream.write.bind(stream);
  const fitted = new Fitted();
  // Bytes are a module that somebody wants to see.
  stream.write = (data, done) => write(typeof data === "string" ? fitted.fit(data, stream.columns ?? 0) : data, done);
  return stream;
}
