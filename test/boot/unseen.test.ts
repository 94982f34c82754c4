// Modules that objtool has not seen, built against Debian's headers and loaded into Debian's kernels: what the kernel says is what check
// said before. The same modules after objtool: neither says anything.

import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { openDistro } from "./distro.ts";
import { mustRun, repo } from "./run.ts";
import { klplink } from "./scenario.ts";
import { bootShell } from "./shell.ts";

const lab = inject("lab");
/** Milliseconds; a limit against hanging. */
const LONG = 1_800_000;
const MODULES = ["unseen_return", "unseen_label"] as const;
// The headers were made for another gcc: without what this one does not know, and without BTF, for which pahole is needed.
const MAKE = ["CC=x86_64-linux-gnu-gcc", "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_DEBUG_INFO_BTF_MODULES="];
const CODES = ["KLP472", "KLP473", "KLP474", "KLP475", "KLP476"];

describe.each([
  ["6.1", false],
  ["6.12", true],
  ["7.2", true],
] as const)("Debian's amd64 %s", (series, warns) => {
  const folder = join(lab.folder, `unseen-${series}`);
  const built = (how: "seen" | "unseen", name: string): string => join(folder, how, `${name}.ko`);
  let vmlinuz = "";
  /** The kernel's log while each module is loaded. */
  const logs = new Map<string, string>();

  beforeAll(async () => {
    const kit = mustRun("bash", ["test/boot/fetch-headers.sh", "amd64", series]).trim();
    const distro = openDistro(join(kit, "kernel"));
    vmlinuz = distro.kernel;
    mkdirSync(folder);
    for (const how of ["seen", "unseen"]) {
      const to = join(folder, how);
      cpSync(join(repo, "test/boot/unseen"), to, { recursive: true });
      const more = how === "unseen" ? ["UNSEEN=y"] : [];
      mustRun("make", ["-s", "-C", join(kit, "build"), `M=${to}`, ...MAKE, ...more, "modules"]);
      expect(readdirSync(to)).toContain("unseen_label.ko");
    }
    const loads = (["seen", "unseen"] as const).flatMap((how) => MODULES.map((name) => ({ how, name })));
    const console = await bootShell({
      arch: "x86_64",
      kernel: vmlinuz,
      folder,
      files: loads.map(({ how, name }) => ({ name: `${how}-${name}.ko`, data: readFileSync(built(how, name)) })),
      // The kernel stops in a BUG at the last one, and 6.1 does not go on from there: its console has what it says.
      script: loads
        .map(({ how, name }) => {
          const load = `echo 8 >/proc/sys/kernel/printk; echo "@@ ${how} ${name}"; insmod /${how}-${name}.ko; sleep 1`;
          return `${load}; echo "@@ done"; echo 0 >/proc/sys/kernel/printk; [ ${how} = unseen ] || rmmod ${name}`;
        })
        .join("\n"),
    });
    for (const [, key, log] of console.matchAll(/@@ (\w+ \w+)\n([\s\S]*?)(?:@@ done|$)/g))
      logs.set(key ?? "", log ?? "");
  }, LONG);

  const said = (how: "seen" | "unseen", name: string): { codes: string[]; words: string[] } => {
    const { stdout } = klplink("check", built(how, name), "-k", vmlinuz, "--format", "json");
    const { files } = JSON.parse(stdout) as { files: { problems: { code: string; kernel?: string | null }[] }[] };
    const found = files.flatMap((f) => f.problems).filter((d) => CODES.includes(d.code));
    return { codes: [...new Set(found.map((d) => d.code))], words: found.flatMap((d) => d.kernel ?? []) };
  };

  test("after objtool: nothing from either", () => {
    for (const name of MODULES) {
      expect([name, said("seen", name).codes]).toEqual([name, []]);
      expect(logs.get(`seen ${name}`)).not.toMatch(/BUG|WARNING|Fatal|Unpatched|ENDBR/);
    }
    expect(logs.get("seen unseen_label")).toContain("unseen_label: switched");
    expect(logs.get("seen unseen_label")).not.toContain("taken while it is off");
  });

  test("returns that no list has", () => {
    const { codes, words } = said("unseen", "unseen_return");
    expect(codes).toEqual(["KLP474"]);
    const warning = "Unpatched return thunk in use. This should not happen!";
    expect(words).toEqual(warns ? [warning] : []);
    expect(logs.get("unseen unseen_return")?.includes(warning)).toBe(warns);
  });

  test("a jump label that holds a jump", () => {
    const { codes, words } = said("unseen", "unseen_label");
    expect(codes).toEqual(["KLP473", "KLP474"]);
    const line = "jump_label: Fatal kernel bug, unexpected op at ";
    expect(words.some((w) => w.startsWith(line))).toBe(true);
    expect(logs.get("unseen unseen_label")).toContain(line);
    expect(logs.get("unseen unseen_label")).toContain("taken while it is off");
  });
});
