import { defined } from "../../base/defined.ts";
import { cleaned } from "../../base/visible.ts";
import { problem } from "../../diag/catalogue.ts";
import { explore } from "../../ftrace/model/explore.ts";
import { ProtocolError, parseProtocol } from "../../ftrace/model/parse.ts";
import type { Protocol } from "../../ftrace/model/protocol.ts";
import { findProtocol, protocols } from "../../ftrace/model/protocols/index.ts";
import type { Verdict } from "../../ftrace/model/state.ts";
import { violationSvg } from "../../ftrace/model/svg.ts";
import { isAsExpected, listText, verdictText } from "../../ftrace/model/text.ts";
import { nearNames } from "../../kernel/symbols/nearNames.ts";
import type { Context } from "../context.ts";
import { InputProblem, readInput, UsageError, write } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import type { modelRows } from "../optionRows.ts";
import type { ValuesOf } from "../optionTable.ts";

type Options = ValuesOf<typeof modelRows>;

interface Judged {
  readonly protocol: Protocol;
  readonly verdict: Verdict;
  readonly milliseconds: number;
}

/** `klplink model [name|file.json]`: returns the exit status. */
export async function runModel(name: string | undefined, options: Options, context: Context): Promise<number> {
  if (options.list === true || name === undefined) {
    if (name !== undefined) throw new UsageError("--list takes no protocol");
    if (options.list !== true) throw new UsageError("name a protocol, or a JSON file with one, or say --list");
    if (options.svg !== undefined || options.source === true)
      throw new UsageError("--svg and --source are for one protocol");
    return await list(options, context);
  }
  const { protocol, file } = await find(name, options, context);
  if (options.source === true) {
    await write(context.stdout, `${JSON.stringify(protocol, null, 2)}\n`);
    return 0;
  }
  const judged = judge(protocol, file);
  const [violation] = judged.verdict.violations;
  if (options.svg !== undefined) {
    if (violation === undefined) throw new UsageError(`${protocol.name} does not fail: there is no trace to draw`);
    await writeSvg(options.svg, violationSvg(protocol, violation), context);
  }
  if (options.svg !== "-") {
    const text =
      options.format === "json"
        ? json([judged])
        : options.quiet === true
          ? ""
          : verdictText(cleaned(protocol), cleaned(judged.verdict), 78);
    await write(context.stdout, text);
  }
  return judged.verdict.holds ? 0 : 1;
}

async function list(options: Options, context: Context): Promise<number> {
  const judged = protocols.map((p) => judge(vary(p, options), null));
  if (options.format === "json") await write(context.stdout, json(judged));
  else await write(context.stdout, listText(judged));
  return judged.some(({ protocol, verdict }) => isAsExpected(protocol, verdict) === false) ? 1 : 0;
}

function judge(protocol: Protocol, file: string | null): Judged {
  const start = performance.now();
  try {
    return { protocol, verdict: explore(protocol), milliseconds: Math.round(performance.now() - start) };
  } catch (error) {
    if (error instanceof ProtocolError && file !== null) throw refused(error, file);
    if (error instanceof ProtocolError) throw new UsageError(`${protocol.name}: ${error.message}`);
    throw error;
  }
}

const refused = (error: ProtocolError, file: string): InputProblem =>
  new InputProblem(problem("KLP601", { file }, { path: error.path, what: error.what }));

async function find(
  name: string,
  options: Options,
  context: Context,
): Promise<{ protocol: Protocol; file: string | null }> {
  const known = findProtocol(name);
  if (known !== null) return { protocol: vary(known, options), file: null };
  if (!/[./]/.test(name) && name !== "-") {
    const near = nearNames(name, protocols.map((p) => p.name).values());
    const hint = near.length === 0 ? ";" : `; did you mean ${near.join(" or ")}?`;
    throw new UsageError(
      `there is no protocol ${name}${hint} \`klplink model --list\` names them; a file's name has a dot`,
    );
  }
  const input = await readInput(name, context);
  try {
    const protocol = parseProtocol(new TextDecoder().decode(input.bytes));
    return { protocol: vary(protocol, options), file: input.name };
  } catch (error) {
    if (error instanceof ProtocolError) throw refused(error, input.name);
    throw error;
  }
}

/** A protocol with other assumptions than its own; its known verdict does not count then. */
function vary(protocol: Protocol, { tasks, assumeEmpty }: Options): Protocol {
  if (tasks === undefined && assumeEmpty === undefined) return protocol;
  const { expect: _, ...rest } = protocol;
  return {
    ...rest,
    ...defined({ tasks, noParking: assumeEmpty }),
  };
}

async function writeSvg(path: string, svg: string, context: Context): Promise<void> {
  if (path === "-") return await write(context.stdout, svg);
  writeOutput(path, new TextEncoder().encode(svg), 0o644);
}

function json(judged: readonly Judged[]): string {
  const document = {
    schema: "klplink-model/1",
    protocols: judged.map(({ protocol, verdict, milliseconds }) => ({
      ...verdict,
      arch: protocol.arch,
      title: protocol.title,
      asExpected: isAsExpected(protocol, verdict),
      milliseconds,
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
