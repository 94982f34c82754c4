import type { Problem } from "../diag/catalogue.ts";
import { problem } from "../diag/catalogue.ts";
import { reason } from "../elf/output.ts";
import type { PatchError } from "./patch/file.ts";

/** A build that cannot go on, with what to report and the exit status. */
export class BuildStop extends Error {
  readonly problems: readonly Problem[];
  readonly status: 1 | 3;
  constructor(problems: readonly Problem[], status: 1 | 3 = 1) {
    super(problems.map((p) => p.code).join(" "));
    this.name = "BuildStop";
    this.problems = problems;
    this.status = status;
  }
}

/** The user ended it. */
export class Interrupted extends Error {}

/** A line as it is shown: without its end, and tabs as blanks. */
const withoutEnd = (text: string): string => text.replace(/\r?\n$/, "").replaceAll("\t", " ");

/** What is wrong with a patch, as a problem. */
export function patchProblem({ fault, patch: file, line }: PatchError): Problem {
  const at = { file, line };
  switch (fault.kind) {
    case "malformed":
      return problem("KLP801", at, { what: fault.what });
    case "path":
      return problem("KLP802", at, { path: fault.path, why: fault.why });
    case "binary":
      return problem("KLP805", at, { path: fault.path, what: fault.what });
    case "missing":
      return problem("KLP804", at, { path: fault.path, what: fault.what });
    case "unfit": {
      const { path, why, fuzz, found } = fault;
      const expected = withoutEnd(fault.expected);
      const data = { path, why, fuzz, line: fault.at, expected, found: found === null ? null : withoutEnd(found) };
      return problem("KLP803", at, data);
    }
  }
}

const OF_THE_PLACE = ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "ENOTDIR", "EFBIG", "EIO", "ENAMETOOLONG"];

/** The stop of a failed access to the private tree: no space left, above all. Other errors stay what they are. */
export function cacheStop(error: unknown, folder: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !OF_THE_PLACE.includes(code)) return error;
  return new BuildStop([problem("KLP819", { file: folder }, { folder, why: reason(error) })], 3);
}
