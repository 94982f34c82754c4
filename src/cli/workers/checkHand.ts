// One thread's part in checking many files: the files that it is told to, one after the other.

import type { Checked } from "../commands/checker.ts";
import type { Contents, FileContents, TreeModules } from "../files/kernel/treeModules.ts";

/** What a thread is told: to check a file, to read some, or what all files say. */
export type Order =
  | { readonly kind: "check"; readonly index: number }
  | { readonly kind: "read"; readonly at: number; readonly paths: readonly string[] }
  | { readonly kind: "contents"; readonly contents: Contents };

/** What a thread says. `ask`: it needs to know what all files say. */
export type Answer =
  | { readonly kind: "checked"; readonly index: number; readonly result: Checked }
  | { readonly kind: "read"; readonly at: number; readonly files: readonly (FileContents | null)[] }
  | { readonly kind: "ask"; readonly paths: readonly string[] };

/** What the work is done with. */
export interface Tools {
  readonly check: (file: string) => Promise<Checked>;
  readonly tree: TreeModules | null;
}

export class CheckHand {
  readonly #files: readonly string[];
  #tools: Promise<Tools> | null = null;
  #say: (answer: Answer) => void = () => {};
  #told: (contents: Contents) => void = () => {};
  readonly #contents: Promise<Contents>;
  /** One check at a time; what files say is read while one waits for it. */
  #last: Promise<void> = Promise.resolve();

  constructor(files: readonly string[]) {
    this.#files = files;
    this.#contents = new Promise((resolve) => {
      this.#told = resolve;
    });
  }

  /** Tells what all files of the tree say, once all threads have read their part. */
  readonly ask = (): Promise<Contents> => {
    void this.#tools?.then(({ tree }) => this.#say({ kind: "ask", paths: tree?.paths() ?? [] }));
    return this.#contents;
  };

  /** @param say takes the answers */
  start(tools: Promise<Tools>, say: (answer: Answer) => void): void {
    this.#tools = tools;
    this.#say = say;
  }

  /** Carries an order out. @param failed takes what is thrown */
  take(order: Order, failed: (error: unknown) => void): void {
    if (order.kind === "check") this.#last = this.#last.then(() => this.#check(order.index)).catch(failed);
    else if (order.kind === "read") this.#read(order.at, order.paths).catch(failed);
    else this.#told(order.contents);
  }

  async #check(index: number): Promise<void> {
    const tools = await this.#tools;
    if (tools === null) throw new Error("a thread was told to check before it had what it checks with");
    this.#say({ kind: "checked", index, result: await tools.check(this.#files[index] ?? "") });
  }

  async #read(at: number, paths: readonly string[]): Promise<void> {
    const tree = (await this.#tools)?.tree ?? null;
    const files: (FileContents | null)[] = [];
    for (const path of paths) files.push((await tree?.contentsOf(path)) ?? null);
    this.#say({ kind: "read", at, files });
  }
}
