// The commands and their help texts. A run needs one of them: the others are made where help or an error names them.

import type { Command } from "commander";
import type { Context } from "./context.ts";
import { UsageError, write } from "./files/io.ts";
import {
  buildRows,
  checkRows,
  diffRows,
  doctorRows,
  explainRows,
  glueRows,
  imageRows,
  linkRows,
  mergeRows,
  modelRows,
  setupRows,
  showRows,
  sitesRows,
  verifyRows,
} from "./optionRows.ts";
import { acts } from "./optionTable.ts";

/** Takes the exit status of the command that ran. */
export type End = (status: number) => void;

type Add = (klplink: Command, context: Context, end: End) => void;

/** A text of examples behind the options. */
const withExamples = (command: Command, text: string): Command => command.addHelpText("after", `\nExamples:\n${text}`);

function addLink(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("link <module>", { isDefault: true })
    .description("make a module that loads (the default command)");
  acts(command, linkRows, end, async (options, [module = ""]) => {
    const { runLink } = await import("./commands/link.ts");
    return runLink(module, options, context);
  });
  withExamples(
    command,
    `  klplink mod.ko -k System.map -o out.ko
  klplink - -k /boot/System.map-6.1.0 < mod.ko > out.ko`,
  );
}

function addCheck(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("check <module...>")
    .summary("say what the kernel would refuse")
    .description("say what the kernel would refuse; files, or folders to search for .ko and .o");
  acts(command, checkRows, end, async (options, modules) => {
    const { against, shard } = options;
    if (against !== undefined) {
      const { runAgainst } = await import("./commands/against.ts");
      return runAgainst(modules, { ...options, against }, context);
    }
    if (shard !== undefined) throw new UsageError("--shard is for --against KERNEL...");
    const { runCheck } = await import("./commands/check.ts");
    return runCheck(modules, options, context);
  });
  withExamples(
    command,
    `  klplink check mod.ko -k System.map
  klplink check --format json build/ > report.json
  klplink check --format html mod.ko -k System.map > report.html
  klplink check patch.ko --against /boot linux-image-*.deb 6.12.95+deb12-amd64`,
  );
}

function addMerge(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("merge <file...>")
    .summary("put parts of a run over many kernels together")
    .description(
      "put what `klplink check … --against … --shard I/N --format json` wrote together, as one run writes it",
    );
  acts(command, mergeRows, end, async (options, files) => {
    const { runMerge } = await import("./commands/against.ts");
    return runMerge(files, options, context);
  });
  withExamples(
    command,
    `  klplink merge part-*.json
  klplink merge --format html part-*.json > fleet.html`,
  );
}

function addDiff(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("diff <orig> <patched>")
    .summary("compare two builds, function by function")
    .description(
      "compare two objects of one source file, or the folders of two builds, before and after a patch: which functions and data changed, are new, are gone; with -o, take what a livepatch needs into an object for `klplink link`",
    );
  acts(command, diffRows, end, async (options, [orig = "", patched = ""]) => {
    const { runDiff } = await import("./commands/diff.ts");
    return runDiff(orig, patched, options, context);
  });
  withExamples(
    command,
    `  klplink diff -v before.o after.o           with the first difference of each function
  klplink diff before.o after.o -k System.map -k Module.symvers -o diff.o
  klplink diff build/ build-patched/ -k vmlinux -m fs/ext2/ext2.ko -o diff.o`,
  );
}

function addBuild(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("build <patch...>")
    .summary("make a livepatch module of a patch")
    .description(
      "make a livepatch module of patches: compile what they change before and after in a private copy of the source, take out what differs, link and check the module",
    );
  acts(command, buildRows, end, async (options, patches) => {
    const { runBuild } = await import("./commands/build.ts");
    return runBuild(patches, options, context);
  });
  withExamples(
    command,
    `  klplink build fix.patch --source linux/ -k vmlinux -k Module.symvers
  klplink build fix.patch --oot src/tank -k running -m tank`,
  );
}

function addImage(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("image <module>")
    .summary("write the memory that the loader would make of it")
    .description("write what the kernel's loader would have in memory, for given addresses");
  acts(command, imageRows, end, async (options, [module = ""]) => {
    const { runImage } = await import("./commands/image.ts");
    return runImage(module, options, context);
  });
  withExamples(
    command,
    `  klplink image mod.ko -k /proc/kallsyms --sections /sys/module/mod/sections -o mod.elf
  klplink image mod.ko -k System.map --at text=c008000000100000,data=c008000000200000 --map`,
  );
}

function addVerify(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("verify <module...>")
    .summary("compare a loaded module's memory with its file")
    .description(
      "compare a loaded module's memory with what the loader makes of its file; a name (its file is then found as modprobe finds it) or a file",
    );
  acts(command, verifyRows, end, async (options, modules) => {
    const { runVerify } = await import("./commands/verify.ts");
    return runVerify(modules, options, context);
  });
  withExamples(
    command,
    `  klplink verify mod                          on this machine, as root
  sh scripts/klplink-capture.sh mod out/      on another one; then, with out/ copied here:
  klplink verify mod.ko --root out/`,
  );
}

function addShow(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("show [module]")
    .summary("list what readelf leaves out")
    .description("list sections, symbols, relocations and calls, with what readelf leaves out");
  acts(command, showRows, end, async (options, [module]) => {
    const { runShow } = await import("./commands/show.ts");
    return runShow(module, options, context);
  });
  withExamples(
    command,
    `  klplink show mod.ko
  klplink show --toc --format json mod.ko
  klplink show --relocations --no-pager mod.ko
  klplink show -k running`,
  );
}

function addExplain(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("explain [text...]")
    .summary("explain a line of dmesg, or a code")
    .description("a line of dmesg (or all of it, in a pipe), or a code: what it means, and where it comes from");
  acts(command, explainRows, end, async (options, text) => {
    const { runExplain } = await import("./commands/explain.ts");
    return runExplain(text, options, context);
  });
  withExamples(
    command,
    `  dmesg | klplink explain --module mod.ko
  klplink explain KLP301`,
  );
}

function addSites(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("sites <file>")
    .summary("list patch sites, and functions without")
    .description("list the ftrace patch sites of a module, an object or vmlinux, and the functions that have none");
  acts(command, sitesRows, end, async (options, [file = ""]) => {
    const { runSites } = await import("./commands/sites.ts");
    return runSites(file, options, context);
  });
  withExamples(
    command,
    `  klplink sites mod.ko
  klplink sites --function show_val_kb vmlinux
  klplink sites patch.ko -k vmlinux -m target.ko
  klplink sites --as call --target 0xffffffff81061a40 --section .text=0xffffffffc0400000 mod.ko`,
  );
}

function addModel(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("model [protocol]")
    .summary("check how patch sites are rewritten")
    .description("check a protocol that rewrites patch sites against every interleaving; a name or a JSON file");
  acts(command, modelRows, end, async (options, [protocol]) => {
    const { runModel } = await import("./commands/model.ts");
    return runModel(protocol, options, context);
  });
  withExamples(
    command,
    `  klplink model --list
  klplink model X1 --svg x1.svg
  klplink model A1 --source > mine.json && klplink model mine.json`,
  );
}

function addGlue(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("glue <folder>")
    .summary("write the source that enables a patch")
    .description(
      "write the source that `klplink diff` objects are linked with: klplink-init.c, its headers, a Kbuild file",
    );
  acts(command, glueRows, end, async (options, [folder = ""]) => {
    const { runGlue } = await import("./commands/glue.ts");
    return runGlue(folder, options, context);
  });
  withExamples(
    command,
    `  klplink glue patch/ && cp diff.o patch/diff.o_shipped
  make -C /lib/modules/$(uname -r)/build M=$PWD/patch KLPLINK_NAME=livepatch-fix modules
  klplink patch/livepatch-fix.ko -k /proc/kallsyms`,
  );
}

function addDoctor(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("doctor")
    .summary("say what this machine offers and lacks")
    .description(
      "say what this machine offers (kernels, tools, terminal, cache), and what is missing for which command, with the package that has it",
    );
  acts(command, doctorRows, end, async (options) => {
    const { runDoctor } = await import("./commands/doctor.ts");
    return runDoctor(options, context);
  });
  withExamples(
    command,
    `  klplink doctor
  klplink doctor --format json --root /mnt`,
  );
}

function addSetup(klplink: Command, context: Context, end: End): void {
  const command = klplink
    .command("setup")
    .summary("install man page and completions")
    .description("install the man page, and completions for bash, zsh and fish; asks nothing, and says what it wrote");
  acts(command, setupRows, end, async (options) => {
    const { runSetup } = await import("./commands/setup.ts");
    const { completionScript } = await import("./commands/completion.ts");
    const { manPage } = await import("./man.ts");
    const texts = {
      man: () => manPage(klplink, context.version),
      completion: (shell: string) => completionScript(klplink, shell),
    };
    return runSetup(texts, options, context);
  });
  withExamples(
    command,
    `  klplink setup
  klplink setup --remove
  klplink setup --prefix ~/.local`,
  );
}
/** Commands that take the place of other tools; main.ts runs them, because they read the command line as those tools do. */
function addStandIn(klplink: Command, name: string, text: string, examples: string): void {
  const command = klplink.command(`${name} [words...]`, { hidden: true }).description(text);
  withExamples(command.allowUnknownOption().helpOption("--help"), examples);
}

const addCreateDiffObject: Add = (klplink) =>
  addStandIn(
    klplink,
    "create-diff-object",
    "in the place of kpatch's tool of that name: compare two objects for kpatch-build. Exit status: 0 good, 1 error, 2 a change that cannot be taken, 3 nothing changed, 64 wrong usage",
    `  klplink create-diff-object [-a] [-d] original.o patched.o parent-name parent-symtab Module.symvers patch-module-name output.o
  ln -s $(command -v klplink) /usr/lib/kpatch/create-diff-object`,
  );

const addCreateKlpModule: Add = (klplink) =>
  addStandIn(
    klplink,
    "create-klp-module",
    "in the place of kpatch's tool of that name: finish a module for kpatch-build. Exit status: 0 good, 1 error, 64 wrong usage",
    `  klplink create-klp-module [-n] [-d] input.ko output.ko
  ln -s $(command -v klplink) /usr/lib/kpatch/create-klp-module`,
  );

const addKlp: Add = (klplink) =>
  addStandIn(
    klplink,
    "klp",
    "in the place of `objtool klp`, for scripts/livepatch/klp-build of Linux 7.2. Exit status: 0 good, 255 error, 129 wrong usage",
    `  klplink klp checksum [--dry-run] [--debug-checksum=names] file.o
  klplink klp diff [--debug] orig.o patched.o out.o
  klplink klp post-link file.ko`,
  );

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
  doctor: addDoctor,
  setup: addSetup,
  "create-diff-object": addCreateDiffObject,
  "create-klp-module": addCreateKlpModule,
  klp: addKlp,
  completion: addCompletion,
  man: addMan,
};
