import type { Command } from "commander";
import { count } from "../arguments.ts";
import type { Context } from "../context.ts";
import { addCommonOptions, addSymbolOptions, collect } from "../options.ts";

/** `klplink build`: its options and help text. */
export function addBuild(klplink: Command, context: Context, end: (status: number) => void): void {
  addSymbolOptions(
    addCommonOptions(
      klplink
        .command("build <patch...>")
        .summary("make a livepatch module of a patch")
        .description(
          "make a livepatch module of patches: compile what they change before and after in a private copy of the source, take out what differs, link and check the module",
        )
        .requiredOption("--source <path>", "the kernel's source: folder, tar file, git repository")
        .option("--rev <revision>", "a tag or commit of that repository")
        .option("--config <file>", "its configuration (default: is looked for)")
        .option("-o, --output <file>", "the module (default: livepatch-NAME.ko)")
        .option("--name <name>", "NAME (default: that of the first patch)")
        .option("--no-replace", "add to the livepatches that are in force")
        .option("--cross <prefix>", "prefix of the compiler and its tools")
        .option("--cc <command>", "the compiler")
        .option("-j, --jobs <n>", "so many compiles at a time (default: processors)", count(1, 1024))
        .option("-p, --strip <n>", "parts to cut off paths in the patch", count(0, 20), 1)
        .option("--fuzz <n>", "lines of context that need not fit", count(0, 10), 0)
        .option("--no-lines", "no #line directives behind changes")
        .option("--only <object>", "only this object: fs/proc/version.o (repeatable)", collect)
        .option("--pair <orig=patched>", "two variables that are one, as for diff (repeatable)", collect)
        .option("--dry-run", "stop before the first compile")
        .option("--keep", "keep the objects and the module's folder in the cache")
        .option("--sign <files...>", "sign the module: KEY CERTIFICATE"),
    ),
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink build fix.patch --source linux/ -k vmlinux -k Module.symvers
  klplink build 1.patch 2.patch --source linux-source-6.1.tar.xz -k build/
  klplink build x.patch --source linux.git --rev v6.12.117 -k 6.12.117 --dry-run`,
    )
    .action(async (patches: readonly string[], options) => {
      const { runBuild } = await import("./build.ts");
      end(await runBuild(patches, options, context));
    });
}
