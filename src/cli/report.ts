import type { Problem } from "../diag/catalogue.ts";
import { type Palette, PLAIN, renderText, type TextStyle } from "../diag/render/text.ts";
import { write } from "./io.ts";

export type ColorChoice = "auto" | "always" | "never";

/** Colours for standard error: --color first, then NO_COLOR and FORCE_COLOR, then whether it is a terminal. */
async function palette(choice: ColorChoice): Promise<Palette> {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  const wanted =
    choice === "always" ||
    (choice === "auto" &&
      (NO_COLOR === undefined || NO_COLOR === "") &&
      FORCE_COLOR !== "0" &&
      FORCE_COLOR !== "false" &&
      (forced || process.stderr.isTTY === true));
  if (!wanted) return PLAIN;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  return { error: chalk.red.bold, warning: chalk.yellow.bold, strong: chalk.bold, dim: chalk.blue };
}

export async function textStyle(color: ColorChoice): Promise<TextStyle> {
  const columns = process.stderr.isTTY === true ? process.stderr.columns : 80;
  return { width: Math.max(40, columns ?? 80), palette: await palette(color) };
}

/** Diagnostics as text on standard error. */
export async function reportText(problems: readonly Problem[], color: ColorChoice, quiet: boolean): Promise<void> {
  const { levelOf } = await import("../diag/catalogue.ts");
  const shown = quiet ? problems.filter((p) => levelOf(p) === "error") : problems;
  if (shown.length > 0) await write(process.stderr, renderText(shown, await textStyle(color)));
}
