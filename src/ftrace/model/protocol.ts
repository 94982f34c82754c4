// The form of a patch-site protocol: what stands at a function's entry, what one CPU does there, and in which steps a
// writer changes it while CPUs run. docs/model.md describes it for people, docs/klplink-protocol-1.schema.json for tools.

/** The oracles at the end of a site, and what else can go wrong on the way. */
export const properties = {
  O1: "the return address is the caller's",
  O2: "stack pointer and frame pointer are the ones at entry",
  O3: "the callback ran at most once",
  O4: "a site that is a call before and after ran its callback exactly once",
  O5: "no torn or undefined instruction is fetched",
  O6: "r2 is the function's TOC",
  L: "a function that is patched before and after is never executed in its old version",
  fault: "the kernel does not die on the way",
  ends: "no CPU calls itself without end",
  stuck: "the writer, and every CPU, can always come to an end",
} as const;
export type Property = keyof typeof properties;

export const PROTOCOL_SCHEMA = "klplink-protocol/1";

/** A place where a CPU can stand between two instructions. */
export interface PlaceSource {
  /** The memory cells that hold the code here, in address order. Neither this nor `run`: the cell of the place's own name. */
  readonly cells?: readonly string[];
  /** Statements of code that never changes. */
  readonly run?: string;
  /** Where execution goes on if no statement says otherwise; default: the place behind this one. */
  readonly next?: string;
  /** Interrupts are off while a CPU is here: a sync and stop_machine wait for it. */
  readonly irqsOff?: boolean;
  /** What stands here, for the trace. */
  readonly title?: string;
}

/** One step of the writer. Several keys in one step happen at once. */
export interface WriterStep {
  /** Cell -> new content. More than one cell: at once, without anything that keeps another CPU from seeing a mixture. */
  readonly write?: Readonly<Record<string, string | number>>;
  /** Cell -> number added to it. */
  readonly add?: Readonly<Record<string, number>>;
  /** All CPUs are interrupted and serialise: from here on nobody fetches anything older. Waits for places with irqsOff. */
  readonly sync?: boolean;
  /** The step is taken while all CPUs stand still somewhere with interrupts on (stop_machine); includes a sync. */
  readonly stopMachine?: boolean;
  /** Wait until no task stands at any of these places; `"tasks"`: until every task is outside the site. */
  readonly quiesce?: "tasks" | readonly string[];
  /** Wait until each cell has this content. */
  readonly until?: Readonly<Record<string, string | number>>;
  /** What the step is for. */
  readonly note?: string;
}

export interface Protocol {
  readonly schema: typeof PROTOCOL_SCHEMA;
  readonly name: string;
  readonly arch: string;
  readonly title: string;
  /** Where the protocol comes from, and what it shows. */
  readonly about?: string;
  /** The verdict that is known, with the properties that fail; for tables and tests. */
  readonly expect?: "holds" | readonly Property[];
  /** `stale`: until a sync a CPU may fetch, cell by cell, anything written since the last one. Default `current`. */
  readonly fetch?: "current" | "stale";
  /** Tasks that run through the site at the same time; default 2. */
  readonly tasks?: number;
  /** How deep NMIs that run through the site themselves may nest on each task; default 0. */
  readonly nmi?: number;
  /** Entry place -> place behind the site, one pair a function. */
  readonly entries: Readonly<Record<string, string>>;
  /** Registers of a task at its entry; unnamed ones do not exist. */
  readonly registers?: Readonly<Record<string, string | number>>;
  /** Memory that all CPUs share, at the start: code and data. */
  readonly memory: Readonly<Record<string, string | number>>;
  /** Variables that each CPU has for itself, at the start; an NMI shares those of the task that it interrupts. */
  readonly perCpu?: Readonly<Record<string, string | number>>;
  /** Places, in address order. */
  readonly places: Readonly<Record<string, PlaceSource>>;
  /** Instruction -> what a CPU does that executes it, as statements. */
  readonly instructions: Readonly<Record<string, string>>;
  /** Instruction -> content of the cells that it needs; `*`: anything. Without a row an instruction is one cell of its own name. */
  readonly encodings?: Readonly<Record<string, readonly string[]>>;
  readonly writer: readonly WriterStep[];
  /** Property -> register -> value that it must have behind the site; `sp` is 0 there. */
  readonly atEnd?: Readonly<Partial<Record<Property, Readonly<Record<string, string | number>>>>>;
  /** The site is a call in both stable states and serves a livepatch: O4 and L are checked. */
  readonly patchedThroughout?: boolean;
  /** Callback -> what it does; default for any name: it runs, and it is the livepatch's or includes it. */
  readonly callbacks?: Readonly<Record<string, { readonly runs?: boolean; readonly livepatch?: boolean }>>;
  /** Places where no task is while the writer takes a step: an assumption to be dropped or made. */
  readonly noParking?: readonly string[];
  /** Contents that the architecture allows to be replaced by one another while they are executed. */
  readonly patchable?: readonly string[];
}
