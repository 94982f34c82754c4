import { define } from "../define.ts";

export default define<{
  readonly symbol: string;
  readonly module: string;
  readonly coming: number;
  /** 0: it is gone by then. */
  readonly live: number;
  readonly count: number;
}>({
  level: "warning",
  title: (d) =>
    d.live === 0
      ? `${d.symbol} is in an init section of ${d.module}: gone once that module has started`
      : `${d.symbol}: position ${d.coming} while ${d.module} is being loaded, ${d.count === 1 ? "unique" : `position ${d.live} of ${d.count}`} once it is live`,
  why: () => "symbols of init sections are counted while a module is being loaded, and not afterwards",
  help: (d) =>
    `load the livepatch at the same stage each time: before ${d.module} (the position counted here), or always after it`,
  explain:
    "A module's symbol table shrinks when its init function has returned. A name that an init section holds too then has another position, so one livepatch symbol cannot be right for both.",
});
