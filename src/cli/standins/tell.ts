import { levelOf, type Problem } from "../../diag/catalogue.ts";
import type { Subject } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { Reporter } from "../report.ts";

/** Says problems on standard error, as klplink does elsewhere. @returns whether one is an error */
export async function tell(problems: readonly Problem[], subject: Subject | null, context: Context): Promise<boolean> {
  const reporter = new Reporter({ format: "text", color: "auto", quiet: false, verbose: false }, context);
  const byFile = new Map<string, Problem[]>();
  for (const p of problems) byFile.set(p.at.file, [...(byFile.get(p.at.file) ?? []), p]);
  for (const [file, list] of byFile) await reporter.add(file, file === subject?.path ? subject : null, list);
  await reporter.finish();
  return problems.some((p) => levelOf(p) === "error");
}
