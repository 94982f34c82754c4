// The ways in which r2 can come back, and the kinds of calls: which goes with which, and why not. matrix.test.ts runs
// every cell; docs/islands.md shows the table.

/** Kind of call -> what it is in the words. */
export const KINDS = {
  plain: "local that became global",
  sibling: "sibling",
  sibling_nine: "sibling, nine arguments",
  sibling_own: "sibling, inside the livepatch",
  nested: "nested three deep",
  recursive: "recursive",
  nine: "nine arguments",
  taking_nine: "nine arguments taken and passed on",
  variadic: "variadic",
  structs: "struct by value",
  floating: "floating point arguments",
  vectors: "vector arguments",
  pointer: "function pointer",
  loop: "tail of a loop",
  leaf: "no call, several returns",
} as const;
export type Kind = keyof typeof KINDS;
export const ALL = Object.keys(KINDS) as Kind[];
export interface Way {
  readonly name: string;
  readonly args: readonly string[];
  /** What the kernel does between the profiling call and P (entry.S). */
  readonly handler: string;
  /** What klplink reports of a module with this kind alone, if it is served. */
  readonly told: (kind: Kind) => RegExp;
  /** Kind -> why it is refused. */
  readonly refuses: Partial<Record<Kind, RegExp>>;
  /** Kinds that are refused for what could be: here they are right when forced. */
  readonly lucky?: readonly Kind[];
  /** Kinds that leave it nothing to do and nothing to refuse. */
  readonly idle?: readonly Kind[];
}

const ON_STACK = {
  taking_nine: /its parameters take 9 doublewords, and registers hold 8/,
  sibling_nine: /its parameters take 9 doublewords, and registers hold 8/,
  variadic: /it takes variable arguments/,
  structs: /its parameters take 9 doublewords, and registers hold 8/,
};
/** Kinds that stay inside the livepatch. */
const CALLS_NOBODY: readonly Kind[] = ["sibling_own", "leaf"];
const NO_NOP = /has no nop behind it/;

export const WAYS: readonly Way[] = [
  {
    name: "island",
    args: [],
    handler: "livepatch",
    told: () => /: \d+ return islands, 3 sibling islands, \d/,
    refuses: {},
  },
  {
    name: "island, siblings framed",
    args: ["--siblings", "framed"],
    handler: "livepatch",
    // A function with nine arguments stays frameless.
    told: () => / 1 sibling island, 2 framed sibling islands, /,
    refuses: {},
  },
  {
    name: "epilogue",
    args: ["--toc-restore", "epilogue"],
    handler: "cr4",
    told: () => / 1 restoring epilogue, /,
    refuses: {
      sibling: /it ends in a branch to other code/,
      sibling_nine: /it ends in a branch to other code/,
      sibling_own: /it ends in a branch to other code/,
      recursive: /it is also reached inside the module/,
    },
    // C returns to A with its own TOC in r2, and here that is A's; nothing says so in the module.
    lucky: ["sibling", "sibling_nine"],
  },
  {
    name: "mini-frame",
    args: ["--toc-restore", "mini-frame"],
    handler: "plain",
    told: () => / 1 mini frame, /,
    refuses: ON_STACK,
  },
  {
    name: "shadow-stack",
    args: ["--toc-restore", "shadow-stack"],
    handler: "livepatch",
    told: () => / 2\d calls through klp_stubs, /,
    refuses: {},
  },
  {
    name: "nop",
    args: ["--toc-restore", "nop"],
    handler: "livepatch",
    told: () => /nothing to do/,
    refuses: Object.fromEntries(ALL.filter((kind) => !CALLS_NOBODY.includes(kind)).map((kind) => [kind, NO_NOP])),
    idle: CALLS_NOBODY,
  },
];

/** The table of docs/islands.md: what each way does with each kind of call. */
export function table(): string {
  const cell = (way: Way, kind: Kind): string => {
    if (way.idle?.includes(kind)) return "–";
    if (way.refuses[kind] === undefined) return "yes";
    return way.lucky?.includes(kind) ? "refused ¹" : "refused";
  };
  const rows = ALL.map((kind) => [KINDS[kind], ...WAYS.map((way) => cell(way, kind))]);
  const head = ["kind of call", ...WAYS.map((way) => way.name)];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
  return [head, head.map(() => "---"), ...rows].map(line).join("");
}
