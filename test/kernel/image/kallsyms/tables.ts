// Writes kallsyms tables in the layouts that kernels have had (scripts/kallsyms.c of 4.19, 5.10, 6.1, 6.12, 7.2), for tests of the reader.

export interface Listed {
  readonly address: bigint;
  readonly letter: string;
  readonly name: string;
}

export interface Layout {
  /** In the order of memory; `seqs` only where the kernel has them. */
  readonly order: readonly ("offsets" | "base" | "count" | "names" | "markers" | "seqs" | "tokens" | "index")[];
  /** Bytes of num_syms and of a marker. */
  readonly width: 4 | 8;
  readonly alignment: number;
  readonly code: "base" | "percpu" | "own";
  /** Whether lengths above 127 take two bytes. */
  readonly longNames: boolean;
}

export const LAYOUTS: Readonly<Record<string, Layout>> = {
  "4.19": {
    order: ["offsets", "base", "count", "names", "markers", "tokens", "index"],
    width: 8,
    alignment: 256,
    code: "base",
    longNames: false,
  },
  "5.10": {
    order: ["offsets", "base", "count", "names", "markers", "tokens", "index"],
    width: 4,
    alignment: 8,
    code: "percpu",
    longNames: false,
  },
  "6.1": {
    order: ["offsets", "base", "count", "names", "markers", "seqs", "tokens", "index"],
    width: 4,
    alignment: 8,
    code: "base",
    longNames: true,
  },
  "6.12": {
    order: ["count", "names", "markers", "tokens", "index", "offsets", "base", "seqs"],
    width: 4,
    alignment: 8,
    code: "percpu",
    longNames: true,
  },
  "7.2": {
    order: ["count", "names", "markers", "tokens", "index", "offsets", "seqs"],
    width: 4,
    alignment: 4,
    code: "own",
    longNames: true,
  },
};

/** Tokens: a character each, and words for numbers of characters that no name has. */
const WORDS: readonly string[] = ["function_", "T", "data", "_s", "ymbol"];
const WORD_AT = 0xe0;
const tokenText = (token: number): string => WORDS[token - WORD_AT] ?? String.fromCharCode(token === 0 ? 1 : token);

/** The tables, where the address of byte `i` is `start + i`, and the begin of what is given. @param base of the addresses */
export function kallsymsTables(symbols: readonly Listed[], layout: Layout, start: bigint, base: bigint): Buffer {
  const little = (value: bigint | number, size: number): number[] =>
    Array.from({ length: size }, (_, k) => Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * k)) & 0xffn));
  const names: number[] = [];
  const markers: number[] = [];
  for (const [i, { letter, name }] of symbols.entries()) {
    if (i % 256 === 0) markers.push(names.length);
    const tokens: number[] = [];
    let rest = letter + name;
    while (rest !== "") {
      const word = WORDS.findIndex((w) => rest.startsWith(w));
      tokens.push(word < 0 ? rest.charCodeAt(0) : WORD_AT + word);
      rest = rest.slice(word < 0 ? 1 : (WORDS[word] ?? "").length);
    }
    const isLong = layout.longNames && tokens.length > 127;
    names.push(...(isLong ? [(tokens.length & 0x7f) | 0x80, tokens.length >> 7] : [tokens.length]), ...tokens);
  }
  const texts = Array.from({ length: 256 }, (_, token) => tokenText(token));
  const index: number[] = [];
  let place = 0;
  for (const text of texts) {
    index.push(place);
    place += text.length + 1;
  }
  const byName = symbols
    .map((_, i) => i)
    .sort((a, b) => ((symbols[a]?.name ?? "") < (symbols[b]?.name ?? "") ? -1 : 1));
  const parts: Record<string, (at: bigint) => number[]> = {
    count: () => little(symbols.length, layout.width),
    names: () => names,
    markers: () => markers.flatMap((m) => little(m, layout.width)),
    tokens: () => [...Buffer.from(texts.map((t) => `${t}\0`).join(""), "latin1")],
    index: () => index.flatMap((at) => little(at, 2)),
    base: () => little(base, 8),
    seqs: () => byName.flatMap((i) => [i >> 16, (i >> 8) & 0xff, i & 0xff]),
    offsets: (at) =>
      symbols.flatMap(({ address }, i) => {
        if (layout.code === "own") return little(address - at - BigInt(4 * i), 4);
        if (layout.code === "percpu") return little(address < base ? address : base - 1n - address, 4);
        return little(address - base, 4);
      }),
  };
  const out: number[] = [];
  const pad = (to: number): void => {
    while (out.length % to !== 0) out.push(0);
  };
  for (const part of layout.order) {
    pad(layout.alignment);
    for (const byte of parts[part]?.(start + BigInt(out.length)) ?? []) out.push(byte);
  }
  pad(8);
  return Buffer.from(out);
}
