// Files that commands write, whole or not at all: what stands in the way is a diagnostic.

import { problem } from "../../diag/catalogue.ts";
import { OutputError, replaceWhole, writeWhole } from "../../elf/output.ts";
import { InputProblem } from "./io.ts";

type Bytes = Parameters<typeof writeWhole>[1];
type State = Parameters<typeof replaceWhole>[2];

/** As {@link writeWhole}. @throws InputProblem KLP105 */
export const writeOutput = (path: string, bytes: Bytes, mode: number): void =>
  told(path, () => writeWhole(path, bytes, mode));

/** As {@link replaceWhole}. @throws InputProblem KLP105 */
export const replaceOutput = (path: string, bytes: Uint8Array, state: State): ReturnType<typeof replaceWhole> =>
  told(path, () => replaceWhole(path, bytes, state));

function told<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new InputProblem(problem("KLP105", { file: path }, { why: error.message }));
  }
}
