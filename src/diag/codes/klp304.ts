import { define } from "../define.ts";

export default define<{
  readonly function: string;
  readonly follower: string;
  readonly section: string;
  readonly where: string;
  readonly reason: string;
}>({
  level: "error",
  title: (d) =>
    `no island is possible in ${d.function}: ${d.follower} stands behind it in ${d.section} and cannot be moved (rule I9)`,
  why: (d) => `${d.where}: ${d.reason}`,
  help: () => "compile with -ffunction-sections, so that each function has a section of its own",
  explain:
    "An island must stand right behind the function that it serves: the kernel charges an address to the nearest symbol before it, and its stack check would miss the function otherwise. So what follows has to move. klplink moves code only where it knows every word that counts from one function to another; the word that stopped it is named.",
});
