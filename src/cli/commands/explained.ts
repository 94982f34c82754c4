// What `klplink explain` says of one line.

import { append } from "../../base/lists.ts";
import { fileText, shellFile, shellWord } from "../../base/shell.ts";
import { visible } from "../../base/visible.ts";
import { type Concern, codesOf, inCapitals, lineHelpOf, lineMeaningOf } from "../../diag/messages/define.ts";
import { formatPlace, renderPlace, renderProblem, type TextStyle, wrap } from "../../diag/render/text.ts";
import type { Explanation, LikelyPlace } from "../../passes/explain/explain.ts";
import { codesFound, type Explained } from "../../passes/explain/lines.ts";

/** `  what:  …`, wrapped and indented. */
function labelled(label: string, text: string, { width, palette }: TextStyle): string {
  const [first, ...rest] = wrap(visible(text), Math.max(30, width - 11));
  return [`  ${palette.strong(`${label}:`.padEnd(9))}${first}`, ...rest.map((l) => `           ${l}`)].join("\n");
}

/**
 * @param module the name of the file that was given
 * @param kernels the files that tell its symbols
 */
export function explainedText(
  e: Explained,
  module: string | null,
  kernels: readonly string[],
  style: TextStyle,
): string {
  const { message, fields, text, cut } = e.recognised;
  const found = codesFound(e);
  const by = message.by === "relocation" ? "module loader, applying relocations" : message.by;
  const from = [message.arch, by, message.kernels === undefined ? null : `kernels ${message.kernels}`];
  const lines = [
    `${style.palette.strong(visible(text))}${e.count > 1 ? `  (${e.count} times)` : ""}`,
    labelled("from", from.filter((f) => f != null).join(", "), style),
    ...(cut === null
      ? []
      : [labelled("cut", `the end of the line is missing; the kernel prints \`${inCapitals(cut)}\``, style)]),
    labelled("meaning", lineMeaningOf(e.recognised, found), style),
    ...e.decoded.map((d) => labelled("number", d, style)),
  ];
  if (e.cause !== null) lines.push(labelled("cause", `${e.cause.how}: \`${e.cause.line.text}\``, style));
  const help = lineHelpOf(e.recognised, found);
  // Where the reason stands beside it, that line has the way out.
  if (help !== undefined && e.cause === null) lines.push(labelled("help", help, style));
  const codes = codesOf(e.recognised);
  if (codes !== undefined) {
    const shown = (found.length > 0 ? found : codes).map((c) => `\`klplink explain ${c}\``).join(", ");
    lines.push(labelled("more", shown, style));
  }
  if (e.findings !== null) append(lines, findingsText(e.findings, module ?? "", style));
  else if (module === null && message.by !== "insmod or modprobe" && codes !== undefined) {
    const name = fields.module ?? "MODULE";
    const kernel = kernels.map((path) => ` -k ${shellFile(path)}`).join("");
    lines.push(
      labelled(
        "place",
        `\`klplink explain --module ${name}.ko${kernel} ${shellWord(text)}\` finds the very instruction`,
        style,
      ),
    );
  }
  return lines.join("\n");
}

/** What is said of a line for which the file has no place. */
function nowhere({ concerns, searched }: Explanation, file: string): string {
  const check = `\`klplink check ${shellFile(file)}\` says what it finds there`;
  if (concerns === "machine") {
    return `none in ${fileText(file)}: this line is about the kernel that runs, or what is loaded there, and no file shows that`;
  }
  if (concerns === "file") return `${fileText(file)} as a whole: this line is about no one place in it; ${check}`;
  if (!searched) return `this line does not tell enough to find its place in ${fileText(file)}; ${check}`;
  return `nothing in ${fileText(file)} fits this line: is it the file that was loaded? ${check}`;
}

function findingsText(findings: Explanation, file: string, style: TextStyle): string[] {
  const { candidates, more, problems, doubt } = findings;
  const lines: string[] = [];
  if (doubt !== null) lines.push(labelled("doubt", doubt, style));
  if (candidates.length === 0) return [...lines, labelled("place", nowhere(findings, file), style)];
  const [best, ...others] = candidates;
  if (best === undefined) return lines;
  if (best.certainty === "use") {
    const total = candidates.length + more;
    const what = best.because.startsWith("it ") ? "it is used" : `${best.because}, used`;
    lines.push(labelled("place", `${what} ${total === 1 ? "once" : `${total} times, first`}`, style), "");
    for (const p of problems) lines.push(renderProblem(p, style, false), "");
    lines.push(renderPlace(best.at, best.instructions, style));
    for (const c of others) append(lines, renderPlace(c.at, [], style).split("\n"));
    if (more > 0) lines.push(`  … and ${more} more`);
    return lines;
  }
  lines.push(
    labelled("place", `${certaintyText(best, candidates.length + more, findings.concerns)}: ${best.because}`, style),
    "",
  );
  lines.push(
    best.problem === null ? renderPlace(best.at, best.instructions, style) : renderProblem(best.problem, style, false),
  );
  if (others.length > 0) {
    const total = others.length + more;
    lines.push("", `  ${total === 1 ? "Another place fits" : `${total} other places fit`}, less well or later:`);
    for (const c of others) lines.push(`    ${formatPlace(c.at, style.folder)}\n        ${visible(c.because)}`);
    if (more > 0) lines.push(`    … and ${more} more`);
  }
  return lines;
}

function certaintyText(best: LikelyPlace, total: number, concerns: Concern): string {
  if (concerns === "file" && total === 1) return "certain";
  switch (best.certainty) {
    case "exact":
      return "certain";
    case "only":
      return "certain: the only place that fits";
    case "first":
      return `the best of ${total} that fit, and the first that the loader meets`;
    case "use":
    case "possible":
      return total === 1 ? "the only place found" : `one of ${total} that fit`;
  }
}
