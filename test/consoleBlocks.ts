import { klplink } from "./cli/run.ts";

/**
 * A page's text with the output of klplink's commands made anew: in each block ```console the lines `$ klplink …` stay,
 * and what stood below them goes.
 * @param words the arguments that a command's line gives, after `klplink`.
 */
export async function withOutput(
  text: string,
  cwd: string,
  words: (line: string) => string[],
  check: (run: Awaited<ReturnType<typeof klplink>>) => void = () => {},
): Promise<{ readonly text: string; readonly commands: number }> {
  let made = "";
  let end = 0;
  let commands = 0;
  for (const block of text.matchAll(/```console\n([\s\S]*?)```/g)) {
    made += `${text.slice(end, block.index)}\`\`\`console\n`;
    for (const line of (block[1] ?? "").split("\n").filter((l) => l.startsWith("$ klplink "))) {
      commands++;
      const run = await klplink(words(line.slice("$ klplink ".length)), { cwd });
      check(run);
      made += `${line}\n${run.stderr}${run.stdout}`;
    }
    made += "```";
    end = block.index + block[0].length;
  }
  return { text: made + text.slice(end), commands };
}
