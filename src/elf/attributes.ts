// Extended attributes and ACLs (which Linux keeps as such): Node.js has no calls for them, getfattr and setfattr of the `attr` package do.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Of the system's own folders only: what PATH leads to may be anything. */
const find = (name: string): string | null =>
  ["/usr/bin", "/bin"].map((f) => `${f}/${name}`).find((p) => existsSync(p)) ?? null;

/** Sums and signatures of the content, which would be wrong for another (Documentation/ABI/testing/evm, ima_policy). */
const OF_CONTENT = new Set(["security.ima", "security.evm"]);

/** Copies the attributes of a file to another; what could not be copied, in words. */
export function copyAttributes(from: string, to: string): string[] {
  const [get, set] = [find("getfattr"), find("setfattr")];
  if (get === null || set === null) return ["extended attributes and ACLs, if it has any (getfattr is not installed)"];
  const { status, stdout } = spawnSync(get, ["--absolute-names", "-d", "-m", "-", "-e", "hex", "--", from], {
    env: {},
  });
  if (status !== 0) return ["extended attributes and ACLs"];
  const lost: string[] = [];
  for (const line of stdout.toString("latin1").split("\n")) {
    const [, name, value] = /^([^#=][^=]*)(?:=(0x[0-9a-f]*))?$/.exec(line) ?? [];
    if (name === undefined) continue;
    const given = value === undefined || value === "0x" ? [] : ["-v", value];
    const isCopied =
      !OF_CONTENT.has(name) && spawnSync(set, ["-n", name, ...given, "--", to], { env: {} }).status === 0;
    if (!isCopied) lost.push(`the attribute ${name}`);
  }
  return lost;
}
