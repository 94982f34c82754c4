/** How r2 comes back where a livepatch is involved, as one answer of the documents describes it. */
export interface Strategy {
  /** The word for `--toc-restore`. */
  readonly option: TocRestore;
  readonly name: string;
  /** Which way it fixes: out of the livepatch (P calls C) or back from it (A called B, P runs). */
  readonly fixes: "P to C" | "both";
  /** What it needs of the kernel. */
  readonly needs: string;
  /** Code that it cannot serve. */
  readonly forbids: string;
  /** Bytes it adds to a module. */
  readonly bytes: string;
  /** Instructions more on the way, as executed. */
  readonly instructions: string;
}

/** The words for `--toc-restore`; the first is the default. */
export const TOC_RESTORES = ["island", "nop", "epilogue", "mini-frame", "shadow-stack"] as const;
export type TocRestore = (typeof TOC_RESTORES)[number];
