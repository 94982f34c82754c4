// The commands, their options and help texts. A run needs one of them: the others are made where help or an error names them.

import { type Command, InvalidArgumentError, Option } from "commander";
import { PRODUCERS } from "../klp/producers/producer.ts";
import { TOC_RESTORES } from "../stubs/strategies/strategy.ts";
import { address, places, sectionAddress, taskCount, x86State } from "./arguments.ts";
import { addBuild } from "./commands/buildOptions.ts";
import type { Context } from "./context.ts";
import { UsageError, write } from "./files/io.ts";
import { KERNEL_GROUP } from "./help.ts";
import {
  addCommonOptions,
  addKernelFileOptions,
  addKernelOptions,
  addSymbolOptions,
  collect,
  kernelVersion,
} from "./options.ts";
import { FORMATS } from "./report.ts";

const PARAM_HELP = "loaded: a parameter that was given, or `none`";
const PATCHED_HELP = "loaded: a livepatch in force before it, or `none`";
const X86_HELP =
  "x86_64: what the kernel made of its mitigations: mitigations=off, or returns=…,indirect=…,calls=plain|depth,locks=smp|up";

/** Takes the exit status of the command that ran. */
export type End = (status: number) => void;

type Add = (klplink: Command, context: Context, end: End) => void;

function addLink(klplink: Command, context: Context, end: End): void {
  addKernelOptions(
    addCommonOptions(
      klplink
        .command("link <module>", { isDefault: true })
        .description("make a module that loads (the default command)")
        .option("-o, --output <file>", "output; `-` is standard output (default: MODULE.klp.ko beside the input)")
        .option("--in-place", "overwrite the input, read-only ones with --force")
        .addOption(
          new Option("--toc-restore <how>", "ppc64le: how r2 comes back; with `nop` calls stay as they are")
            .choices(TOC_RESTORES)
            .default("island"),
        )
        .addOption(
          new Option("--siblings <kind>", "ppc64le: islands of sibling calls: `framed` where parameters allow it")
            .choices(["auto", "framed"])
            .default("auto"),
        )
        .option(
          "--livepatch-stack <a,b>",
          "ppc64le: offsets of thread_info in the paca, and of livepatch_sp in thread_info, for shadow-stack",
          livepatchStack,
          undefined,
        )
        .addOption(
          new Option("--from <producer>", "the tool that made the file (default: found out from its content)").choices(
            PRODUCERS,
          ),
        )
        .option("--keep", "keep the producer's intermediate sections")
        .option("--force", "write the output even if errors were found"),
    ),
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink mod.ko -k System.map -o out.ko
  klplink - -k /boot/System.map-6.1.0 < mod.ko > out.ko`,
    )
    .action(async (module: string, options) => {
      const { runLink } = await import("./commands/link.ts");
      end(await runLink(module, options, context));
    });
}

function addCheck(klplink: Command, context: Context, end: End): void {
  addKernelOptions(
    addCommonOptions(
      klplink
        .command("check <module...>")
        .summary("say what the kernel would refuse")
        .description("say what the kernel would refuse; files, or folders to search for .ko and .o")
        .addOption(
          new Option(
            "--against <kernel...>",
            "many kernels in place of -k: releases, packages, folders; end the list with --",
          ).helpGroup(KERNEL_GROUP),
        )
        .addOption(
          new Option("--shard <i/n>", "with --against: part i of n of the kernels, for `klplink merge`")
            .argParser(shard)
            .helpGroup(KERNEL_GROUP),
        ),
      [...FORMATS, "html"],
    ),
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink check mod.ko -k System.map
  klplink check --format json build/ > report.json
  klplink check patch.ko --against /boot linux-image-*.deb 6.12.95+deb12-amd64`,
    )
    .action(async (modules: readonly string[], options) => {
      if (options.against !== undefined) {
        const { runAgainst } = await import("./commands/against.ts");
        end(await runAgainst(modules, options, context));
        return;
      }
      if (options.format === "html" || options.shard !== undefined)
        throw new UsageError(`${options.shard === undefined ? "--format html" : "--shard"} is for --against KERNEL...`);
      const { runCheck } = await import("./commands/check.ts");
      end(await runCheck(modules, options, context));
    });
}

function addMerge(klplink: Command, context: Context, end: End): void {
  addCommonOptions(
    klplink
      .command("merge <file...>")
      .summary("put parts of a run over many kernels together")
      .description(
        "put what `klplink check … --against … --shard I/N --format json` wrote together, as one run writes it",
      ),
    ["text", "json", "sarif", "github", "html"],
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink merge part-*.json
  klplink merge --format html part-*.json > fleet.html`,
    )
    .action(async (files: readonly string[], options) => {
      const { runMerge } = await import("./commands/against.ts");
      end(await runMerge(files, options, context));
    });
}

function addShow(klplink: Command, context: Context, end: End): void {
  addCommonOptions(
    klplink
      .command("show [module]")
      .summary("list what readelf leaves out")
      .description("list sections, symbols, relocations and calls, with what readelf leaves out")
      .option("--sections", "sections")
      .option("--symbols", "symbols, with local entry and livepatch fields")
      .option("--relocations", "relocations, with symbol names")
      .option("--toc", "ppc64le: each call and what the loader makes of it, and the ways to fix it, compared")
      .option(
        "-k, --kernel <file>",
        "alone: what is known of this kernel; with --toc: for the livepatch stack",
        collect,
      )
      .option("--root <folder>", "where -k RELEASE is looked for", "/")
      .option("--livepatch-stack <a,b>", "with --toc: as for link", livepatchStack, undefined),
    ["text", "json"],
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink show mod.ko
  klplink show --toc --format json mod.ko
  klplink show -k running`,
    )
    .action(async (module: string | undefined, options) => {
      const { runShow } = await import("./commands/show.ts");
      end(await runShow(module, options, context));
    });
}

function addExplain(klplink: Command, context: Context, end: End): void {
  addKernelFileOptions(
    addCommonOptions(
      klplink
        .command("explain [text...]")
        .summary("explain a line of dmesg, or a code")
        .description("a line of dmesg (or all of it, in a pipe), or a code: what it means, and where it comes from")
        .option("-m, --module <file>", "the module that was refused: finds the very instruction"),
      ["text", "json"],
    ),
  )
    .addHelpText(
      "after",
      `
Examples:
  dmesg | klplink explain --module mod.ko
  klplink explain KLP301`,
    )
    .action(async (text: readonly string[], options) => {
      const { runExplain } = await import("./commands/explain.ts");
      end(await runExplain(text, options, context));
    });
}

function addSites(klplink: Command, context: Context, end: End): void {
  addCommonOptions(
    klplink
      .command("sites <file>")
      .summary("list patch sites, and functions without")
      .description("list the ftrace patch sites of a module, an object or vmlinux, and the functions that have none")
      .option("--function <name>", "only this function; may be given several times", collect, undefined)
      .addOption(new Option("--as <state>", "the bytes that the kernel writes at each site").choices(["nop", "call"]))
      .option("--target <address>", "with --as call: what the sites call", address)
      .option("--ops <address>", "with --as, arm64: what the pointer in front of each site is to name", address)
      .option("--section <name=address>", "where a section of a module is loaded", sectionAddress, undefined)
      .option("-k, --kernel <file>", "vmlinux: can the functions be patched that a livepatch module replaces?", collect)
      .option("-m, --module <file>", "a module that it patches: FILE.ko or NAME=FILE", collect)
      .option("--kernel-version <version>", "kernel version, where the bytes depend on it", kernelVersion),
    ["text", "json"],
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink sites mod.ko
  klplink sites --function show_val_kb vmlinux
  klplink sites patch.ko -k vmlinux -m target.ko
  klplink sites --as call --target 0xffffffff81061a40 --section .text=0xffffffffc0400000 mod.ko`,
    )
    .action(async (file: string, options) => {
      const { runSites } = await import("./commands/sites.ts");
      end(await runSites(file, options, context));
    });
}

function addModel(klplink: Command, context: Context, end: End): void {
  addCommonOptions(
    klplink
      .command("model [protocol]")
      .summary("check how patch sites are rewritten")
      .description("check a protocol that rewrites patch sites against every interleaving; a name or a JSON file")
      .option("--list", "all known protocols, with their verdicts")
      .option("--svg <file>", "draw the shortest failing run; `-` is standard output")
      .option("--source", "print the protocol as JSON, to start one's own from")
      .option("--tasks <n>", "tasks at the site at the same time (default: the protocol's)", taskCount)
      .option("--assume-empty <places>", "assume that no task is at these places while the writer acts", places),
    ["text", "json"],
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink model --list
  klplink model X1 --svg x1.svg
  klplink model A1 --source > mine.json && klplink model mine.json`,
    )
    .action(async (protocol: string | undefined, options) => {
      const { runModel } = await import("./commands/model.ts");
      end(await runModel(protocol, options, context));
    });
}

function addGlue(klplink: Command, context: Context, end: End): void {
  addCommonOptions(
    klplink
      .command("glue <folder>")
      .summary("write the source that enables a patch")
      .description(
        "write the source that `klplink diff` objects are linked with: klplink-init.c, its headers, a Kbuild file",
      )
      .option("--force", "overwrite files of these names that say something else"),
    ["text", "json"],
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink glue patch/ && cp diff.o patch/diff.o_shipped
  make -C /lib/modules/$(uname -r)/build M=$PWD/patch KLPLINK_NAME=livepatch-fix modules
  klplink patch/livepatch-fix.ko -k /proc/kallsyms`,
    )
    .action(async (folder: string, options) => {
      const { runGlue } = await import("./commands/glue.ts");
      end(await runGlue(folder, options, context));
    });
}

function addCompletion(klplink: Command, context: Context): void {
  klplink
    .command("completion <shell>")
    .description("print completion for bash, zsh or fish")
    .addHelpText(
      "after",
      `
Examples:
  source <(klplink completion bash)
  klplink completion fish > ~/.config/fish/completions/klplink.fish`,
    )
    .action(async (shell: string) => {
      const { completionScript } = await import("./commands/completion.ts");
      await write(context.stdout, completionScript(klplink, shell));
    });
}

function addMan(klplink: Command, context: Context): void {
  // For scripts/docs.mjs, which writes docs/klplink.1.
  klplink.command("man", { hidden: true }).action(async () => {
    const { manPage } = await import("./man.ts");
    await write(context.stdout, manPage(klplink, context.version));
  });
}

function addDiff(klplink: Command, context: Context, end: End): void {
  addSymbolOptions(
    addCommonOptions(
      klplink
        .command("diff <orig> <patched>")
        .summary("compare two builds, function by function")
        .description(
          "compare two objects of one source file, or the folders of two builds, before and after a patch: which functions and data changed, are new, are gone; with -o, take what a livepatch needs into an object for `klplink link`",
        )
        .option("-o, --output <file>", "write the diff object; `-` is standard output (needs -k)")
        .option(
          "--object <name>",
          "what the objects belong to: vmlinux, or a module given with -m (default: vmlinux; of folders, what the trees say)",
        )
        .option(
          "--pair <orig=patched>",
          "two variables that are one: cnt.2=cnt.4; `cnt.2=` is gone (repeatable)",
          collect,
        )
        .option(
          "--entry-size <section=bytes>",
          "the size of an entry of a table, known or not: __jump_table=24 (repeatable)",
          collect,
        )
        .option("--graph <file>", "draw what is taken and why: .svg, .html, .dot, or .txt")
        .option("--strict-lines", "a function that differs in a reported line number only is changed, too"),
    ),
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink diff -v before.o after.o           with the first difference of each function
  klplink diff before.o after.o -k System.map -k Module.symvers -o diff.o
  klplink diff build/ build-patched/ -k vmlinux -m fs/ext2/ext2.ko -o diff.o`,
    )
    .action(async (orig: string, patched: string, options) => {
      const { runDiff } = await import("./commands/diff.ts");
      end(await runDiff(orig, patched, options, context));
    });
}

function addImage(klplink: Command, context: Context, end: End): void {
  addKernelOptions(
    addCommonOptions(
      klplink
        .command("image <module>")
        .summary("write the memory that the loader would make of it")
        .description("write what the kernel's loader would have in memory, for given addresses")
        .option("-o, --output <file>", "ELF file (default: MODULE.image.elf); `-`: stdout")
        .option(
          "--at <addresses>",
          "ADDR of the text (default: where modules begin), or text=ADDR,data=ADDR,… (a region each, from a page on), percpu=ADDR",
        )
        .option("--sections <path>", "section addresses: /sys/module/NAME/sections or a copy, or lines `NAME ADDR`")
        .option("--raw <folder>", "one file for each section")
        .option("--map [file]", "table of regions, sections, stubs and symbols")
        .addOption(
          new Option("--stage <when>", "state of the kernel").choices(["relocated", "loaded"]).default("relocated"),
        )
        .option("--late <objects>", "as if these modules that it patches were loaded")
        .option("--param <name=value>", PARAM_HELP, collect)
        .option("--patched-by <livepatch.ko>", PATCHED_HELP, collect)
        .option("--kernel-toc <address>", "ppc64le: the kernel's TOC base, if not known")
        .option("--paca-toc-offset <offset>", "ppc64le: kernel_toc in the paca (10, or 8)")
        .option("--erratum-843419", "arm64: the CPUs have this erratum")
        .option("--x86 <states>", X86_HELP, x86State)
        .option("--force", "write the image even if errors were found"),
    ),
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink image mod.ko -k /proc/kallsyms --sections /sys/module/mod/sections -o mod.elf
  klplink image mod.ko -k System.map --at text=c008000000100000,data=c008000000200000 --map`,
    )
    .action(async (module: string, options) => {
      const { runImage } = await import("./commands/image.ts");
      end(await runImage(module, options, context));
    });
}

function addVerify(klplink: Command, context: Context, end: End): void {
  addCommonOptions(
    klplink
      .command("verify <module...>")
      .summary("compare a loaded module's memory with that")
      .description(
        "compare a loaded module's memory with what the loader makes of its file; a name (its file is then found as modprobe finds it) or a file",
      )
      .option("--root <folder>", "what the capture script copied from another machine (default: this machine)")
      .option(
        "-k, --kernel <file>",
        "its System.map or vmlinux, where the running kernel lists functions only (it may have been moved: KASLR)",
        collect,
      )
      .option("-m, --module <file@sections>", "likewise: a module that it needs, and its section addresses", collect)
      .option("--erratum-843419", "arm64: the CPUs have this erratum")
      .option("--patched-by <livepatch.ko>", "a livepatch in force that patches it: these sites must be calls", collect)
      .option("--x86 <states>", X86_HELP, x86State),
  )
    .addHelpText(
      "after",
      `
Examples:
  klplink verify mod                          on this machine, as root
  sh scripts/klplink-capture.sh mod out/      on another one; then, with out/ copied here:
  klplink verify mod.ko --root out/`,
    )
    .action(async (modules: readonly string[], options) => {
      const { runVerify } = await import("./commands/verify.ts");
      end(await runVerify(modules, options, context));
    });
}

function shard(value: string): { index: number; of: number } {
  const [, index = "", of = ""] = /^(\d{1,6})\/(\d{1,6})$/.exec(value) ?? [];
  if (Number(index) < 1 || Number(index) > Number(of)) throw new InvalidArgumentError("The form is I/N, as in `1/4`.");
  return { index: Number(index), of: Number(of) };
}

function livepatchStack(value: string): { threadInfo: number; stackPointer: number } {
  const match = /^(0x[0-9a-f]{1,8}|-?\d{1,9}),(0x[0-9a-f]{1,8}|-?\d{1,9})$/i.exec(value);
  if (match === null) throw new InvalidArgumentError("The form is PACA,THREAD_INFO, as in `2312,16`.");
  return { threadInfo: Number(match[1]), stackPointer: Number(match[2]) };
}

/** By name, in the order of the help text. `link` is the default. */
export const COMMANDS: Readonly<Record<string, Add>> = {
  link: addLink,
  check: addCheck,
  merge: addMerge,
  diff: addDiff,
  build: addBuild,
  image: addImage,
  verify: addVerify,
  show: addShow,
  explain: addExplain,
  sites: addSites,
  model: addModel,
  glue: addGlue,
  completion: addCompletion,
  man: addMan,
};
