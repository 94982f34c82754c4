// Annotations for GitHub workflows: `::error file=…,line=…,title=…::message`.

import { visible } from "../../base/visible.ts";
import { helpOf, kernelOf, levelOf, type Problem, titleOf, whyOf } from "../catalogue.ts";
import { type Tally, tallyText, withoutRepeats } from "../tally.ts";
import { formatPlace, formatSource } from "./text.ts";

/** The workflow commands' own escapes: properties may hold no `,` and `:`, nothing may hold a line's end, nor what a log would obey. */
const data = (text: string): string => visible(text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A"));
const property = (text: string): string => data(text).replace(/:/g, "%3A").replace(/,/g, "%2C");

/** One line a diagnostic. @param folder to which source paths are made relative, as the annotations want them. */
export function renderGithub(problems: readonly Problem[], folder: string): string {
  return withoutRepeats(problems)
    .map((p) => {
      const [source] = p.at.source ?? [];
      const [, path, line, column] = /^(.*?)(?::(\d+))?(?::(\d+))?$/s.exec(
        source === undefined ? p.at.file : formatSource(source, folder),
      ) ?? [null, p.at.file];
      const properties = [`file=${property(path ?? "")}`];
      const number = line ?? p.at.line;
      if (number !== undefined) properties.push(`line=${number}`);
      if (column !== undefined) properties.push(`col=${column}`);
      properties.push(`title=${property(`${p.code}: ${titleOf(p)}`)}`);
      const kernel = kernelOf(p);
      const why = whyOf(p);
      const help = helpOf(p);
      const message = [
        formatPlace(p.at, folder),
        ...(kernel === null ? [] : [`kernel: ${kernel}`]),
        ...(why === null ? [] : [`why: ${why}`]),
        ...(help === null ? [] : [`help: ${help}`]),
      ].join("\n");
      return `::${levelOf(p)} ${properties.join(",")}::${data(message)}\n`;
    })
    .join("");
}

/** What the run came to, as a notice that is about no file. */
export const renderGithubTotal = (total: Tally): string =>
  `::notice title=klplink::${data(`total: ${tallyText(total)}`)}\n`;
