// What the programs of a build say is wrong: the messages of compilers, assemblers, linkers, modpost, objtool and make itself, found
// among the lines of make's output as they come. Several compilers run at once, and each message may stand between lines of others.

/** Lines that are kept of the first file that failed. */
const KEPT = 20;
/** Files whose headers are remembered. */
const MOST_HEADERS = 1000;

/** `  CC [M]  fs/x.o`: kbuild says what it begins. */
const BEGINS = /^ {2}[A-Z][A-Z0-9_+-]*(?: \[\w+\])? +\S/;
const INCLUDED = /^(In file included from|In module imported at| {17}from) (.+?):\d+(?::\d+)?[,:]$/;
/** `fs/x.c: In function 'f':`, `x.s: Assembler messages:`: a head of messages, said once for all that follow. */
const HEAD = /^(\S+): (?:In .+|At top level|in function .+|Assembler messages):$/;
const PLACED = /^(<[^>]+>|\{[^}]+\}|[^\s:]+):(\d+)(?::\d+)?: (.*)$/;
const ERROR = /^(?:fatal error|error|Error|internal compiler error|syntax error|unrecognized rule|can't|undefined)\b/;
const SAYS = /^(?:warning|Warning|note|remark|info|Info):/;
/** A program, or an object, of which there is no place to tell: `gcc: fatal error: …`, `x.o: error: objtool: …`. */
const UNPLACED = /^(\S+): (?:fatal |internal compiler )?error: /;
/** `ERROR: modpost: …`, and what clang and perl say without a name. */
const BARE = /^(?:ERROR|FATAL|error|fatal error): /;
const WARNS = /^(?:\S+: )?(?:WARNING|warning): /;
/** GNU ld, however it is called: `/usr/bin/ld: …`, `aarch64-linux-gnu-ld: …`. */
const LINKER = /^(?:\S*[/-])?ld(?:\.\w+)?: (.*)$/;
/** The rest of what ld says of a function, without its name in front. */
const UNLINKED =
  /: (?:undefined reference to|multiple definition of|more undefined references|relocation truncated to fit)/;
/** What tells only that there was an error. */
const AFTERWARDS =
  /^(?:cc1\w*: (?:all|some) warnings being treated as errors|compilation terminated\.|(?:\d+ \w+ and )?\d+ errors? generated\.|collect2: error: ld returned|clang\S*: error: linker command failed|\S+: final link failed)/;
/** Make's own: not what tells that a command failed, but that there is none, or that it does not understand a makefile. */
const MAKE = /^make(?:\[\d+\])?: /;
const OF_MAKE = /^(?:make(?:\[\d+\])?|\S+:\d+): \*\*\* (?!\[|Waiting for unfinished|Deleting )/;

/** Collects what is said of the first file that failed. */
export class Failure {
  readonly #lines: string[] = [];
  readonly #said = new Set<string>();
  /** The first message, as it is; null: there is none yet. */
  #first: string | null = null;
  /** The file that it is about: a source, an object, or the program that says it. */
  #file: string | null = null;
  #errors = 0;
  #shown = 0;
  /** Whether lines that begin nothing belong to what is kept. */
  #isOpen = false;
  /** #include lines that lead to the next message, and the source that they begin at. */
  #chain: string[] = [];
  #source: string | null = null;
  #head: string | null = null;
  /** The source that included a header. */
  readonly #includers = new Map<string, string>();

  /** The first error; null: none was recognised. */
  get place(): string | null {
    return this.#first;
  }

  /** What is said of the first file that failed, with what belongs to it; empty: nothing was recognised. */
  get lines(): string[] {
    const more = this.#errors - this.#shown;
    return more === 0 ? this.#lines : [...this.#lines, `… and ${more} more`];
  }

  /** Takes the next line of both outputs, without its end. */
  add(line: string): void {
    if (BEGINS.test(line)) return;
    if (AFTERWARDS.test(line)) this.#isOpen = false;
    else if (OF_MAKE.test(line)) this.#error("make", line);
    else if (MAKE.test(line)) this.#isOpen = false;
    else if (!this.#addHead(line) && !this.#addMessage(line) && this.#isOpen) this.#keep(line);
  }

  #addHead(line: string): boolean {
    const [, begins = "", source = ""] = INCLUDED.exec(line) ?? [];
    if (source !== "") {
      // Another chain: what the first one led to was said between the lines of others.
      if (!begins.startsWith(" ")) this.#chain = [];
      this.#chain.push(line);
      this.#source = source;
      this.#isOpen = false;
      return true;
    }
    const [, said = line] = LINKER.exec(line) ?? [];
    if (!HEAD.test(said)) return false;
    this.#head = line;
    this.#isOpen = false;
    return true;
  }

  #addMessage(line: string): boolean {
    if (UNLINKED.test(line)) return this.#error("ld", line);
    const [, file = "", , said = ""] = PLACED.exec(line) ?? [];
    if (file !== "" && ERROR.test(said)) return this.#error(this.#sourceOf(file), line);
    if (file !== "" && said.startsWith("note:")) {
      if (this.#isOpen) this.#keep(line);
      return true;
    }
    if ((file !== "" && SAYS.test(said)) || WARNS.test(line)) return this.#pass();
    const [, linked] = LINKER.exec(line) ?? [];
    if (linked !== undefined) return /\bwarning: /.test(linked) ? this.#pass() : this.#error("ld", line);
    const [, by] = UNPLACED.exec(line) ?? [];
    if (by !== undefined || BARE.test(line)) return this.#error(by ?? "", line);
    return false;
  }

  /** A message that is no error, with what follows. */
  #pass(): true {
    this.#isOpen = false;
    this.#chain = [];
    this.#source = null;
    return true;
  }

  /** The source that was compiled: a header is included by it, and only the first message of one says by which. */
  #sourceOf(file: string): string {
    const { size } = this.#includers;
    if (this.#source !== null && size < MOST_HEADERS) this.#includers.set(file, this.#source);
    if (this.#source !== null) return this.#source;
    return /\.[cS]$/.test(file) ? file : (this.#includers.get(file) ?? this.#file ?? file);
  }

  #error(file: string, line: string): true {
    const chain = this.#chain;
    this.#pass();
    this.#file ??= file;
    if (this.#file !== file || this.#said.has(line)) return true;
    this.#said.add(line);
    this.#first ??= line;
    this.#errors++;
    if (this.#lines.length >= KEPT) return true;
    this.#shown++;
    this.#isOpen = true;
    for (const above of chain) this.#keep(above);
    if (this.#head !== null) this.#keep(this.#head);
    this.#head = null;
    this.#keep(line);
    return true;
  }

  #keep(line: string): void {
    if (this.#lines.length < KEPT) this.#lines.push(line);
    else this.#isOpen = false;
  }
}

/**
 * The last lines, where nothing was recognised: without those by which each make tells the one above it that it failed, but the first
 * of them, which names the target.
 */
export function lastLines(last: readonly string[], most: number): string[] {
  const failing = /^make(?:\[\d+\])?: \*\*\* \[/;
  const first = last.findIndex((line) => failing.test(line));
  return last.filter((line, i) => line.trim() !== "" && (i === first || !MAKE.test(line))).slice(-most);
}
