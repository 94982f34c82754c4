// The options of all commands, each declared once: see optionTable.ts.

import { DIFF_FORMS } from "../diff/emit/forms/form.ts";
import { PRODUCERS } from "../klp/producers/producer.ts";
import { TOC_RESTORES } from "../stubs/strategies/strategy.ts";
import {
  address,
  count,
  kernelVersion,
  livepatchStack,
  places,
  position,
  sectionAddress,
  shard,
  taskCount,
  x86State,
} from "./arguments.ts";
import { KERNEL_GROUP, MESSAGE_GROUP } from "./help.ts";
import {
  choice,
  choiceOr,
  flag,
  flagOrWord,
  inGroup,
  listWord,
  parsed,
  parsedOr,
  repeatedWord,
  unless,
  word,
  wordOr,
} from "./optionTable.ts";
import { type ColorChoice, FORMATS } from "./report.ts";

/** Options that every command has. @param formats the forms that the command can write, text among them */
const messageRows = <Form extends string>(formats: readonly (Form | "text")[]) =>
  inGroup(MESSAGE_GROUP, {
    format: choiceOr<Form | "text">("--format <form>", "form of the output", formats, "text"),
    color: choiceOr<ColorChoice>(
      "--color <when>",
      "colour, beside NO_COLOR and FORCE_COLOR",
      ["auto", "always", "never"],
      "auto",
    ),
    quiet: flag("-q, --quiet", "errors only"),
    verbose: flag("-v, --verbose", "say more"),
  });

export const commonRows = messageRows(FORMATS);
const textOrJson = messageRows(["text", "json"]);
const textJsonOrHtml = messageRows(["text", "json", "html"]);

const ROOT_ROW = wordOr("--root <folder>", "where -k RELEASE is looked for", "/");

/** What tells of a kernel's symbols. */
const symbolRows = inGroup(KERNEL_GROUP, {
  kernel: repeatedWord(
    "-k, --kernel <file>",
    "System.map, vmlinux, vmlinuz, Module.symvers, a package; or a release, `running` (repeatable)",
  ),
  module: repeatedWord(
    "-m, --module <file>",
    "a module that it changes or needs: NAME, FILE, NAME=FILE (image: FILE@SECTIONS)",
  ),
  sympos: parsed("--sympos <name=n>", "the n-th of several symbols of one name ([MODULE:]NAME=N)", position),
  root: ROOT_ROW,
});

const VERSION_ROW = parsed("--kernel-version <version>", "where the module does not tell: 6.1", kernelVersion);

export const kernelRows = {
  ...symbolRows,
  ...inGroup(KERNEL_GROUP, {
    reference: word("--reference <file.ko>", "a module built for it: struct module is compared"),
    kernelVersion: VERSION_ROW,
  }),
};

/** For a command that looks at one module as the kernel saw it. */
const kernelFileRows = inGroup(KERNEL_GROUP, {
  kernel: repeatedWord("-k, --kernel <file>", "the kernel that refused it: System.map, kallsyms"),
  kernelVersion: VERSION_ROW,
});

export const linkRows = {
  output: word("-o, --output <file>", "output; `-` is standard output (default: MODULE.klp.ko beside the input)"),
  inPlace: flag("--in-place", "overwrite the input, read-only ones with --force"),
  tocRestore: choiceOr(
    "--toc-restore <how>",
    "ppc64le: how r2 comes back; with `nop` calls stay as they are",
    TOC_RESTORES,
    "island",
  ),
  siblings: choiceOr(
    "--siblings <kind>",
    "ppc64le: islands of sibling calls: `framed` where parameters allow it",
    ["auto", "framed"],
    "auto",
  ),
  livepatchStack: parsed(
    "--livepatch-stack <a,b>",
    "ppc64le: offsets of thread_info in the paca, and of livepatch_sp in thread_info, for shadow-stack",
    livepatchStack,
  ),
  from: choice("--from <producer>", "the tool that made the file (default: found out from its content)", PRODUCERS),
  keep: flag("--keep", "keep the producer's intermediate sections"),
  force: flag("--force", "write the output even if errors were found"),
  ...commonRows,
  ...kernelRows,
};

const PREVIOUS_ROW = word("--previous <file>", "the livepatch in force, which this one replaces");

export const checkRows = {
  ...inGroup(KERNEL_GROUP, {
    against: listWord(
      "--against <kernel...>",
      "many kernels in place of -k: releases, packages, folders; end the list with --",
    ),
    previous: PREVIOUS_ROW,
    shard: parsed("--shard <i/n>", "with --against: part i of n of the kernels, for `klplink merge`", shard),
  }),
  ...messageRows(FORMATS),
  ...kernelRows,
};

export const mergeRows = messageRows(FORMATS);

export const diffRows = {
  output: word("-o, --output <file>", "write the diff object; `-` is standard output (needs -k)"),
  object: word(
    "--object <name>",
    "what the objects belong to: vmlinux, or a module given with -m (default: vmlinux; of folders, what the trees say)",
  ),
  pair: repeatedWord("--pair <orig=patched>", "two variables that are one: cnt.2=cnt.4; `cnt.2=` is gone (repeatable)"),
  entrySize: repeatedWord(
    "--entry-size <section=bytes>",
    "the size of an entry of a table, known or not: __jump_table=24 (repeatable)",
  ),
  form: choiceOr(
    "--form <form>",
    "with -o: klplink's own form, kpatch's for create-klp-module, or objtool's for `klp post-link`",
    DIFF_FORMS,
    "klplink",
  ),
  graph: word("--graph <file>", "draw what is taken and why: .svg, .html, .dot, or .txt"),
  strictLines: flag("--strict-lines", "a function that differs in a reported line number only is changed, too"),
  ...commonRows,
  ...symbolRows,
};

export const buildRows = {
  source: word("--source <path>", "the kernel's source: folder, tar, git; --oot: headers"),
  rev: word("--rev <revision>", "a tag or commit of that repository"),
  oot: word("--oot <folder>", "a module out of the tree, which the patch is for"),
  make: repeatedWord("--make <var=value>", "with --oot: a variable for make (repeatable)"),
  config: word("--config <file>", "its configuration (default: is looked for)"),
  output: word("-o, --output <file>", "the module (default: livepatch-NAME.ko)"),
  name: word("--name <name>", "NAME (default: that of the first patch)"),
  previous: PREVIOUS_ROW,
  replace: unless("--no-replace", "add to the livepatches that are in force"),
  cross: word("--cross <prefix>", "prefix of the compiler and its tools"),
  cc: word("--cc <command>", "the compiler"),
  jobs: parsed("-j, --jobs <n>", "compiles at a time (default: one a processor)", count(1, 1024)),
  strip: parsedOr("-p, --strip <n>", "parts to cut off paths in the patch", count(0, 20), 1),
  fuzz: parsedOr("--fuzz <n>", "lines of context that need not fit", count(0, 10), 0),
  lines: unless("--no-lines", "no #line directives behind changes"),
  only: repeatedWord("--only <object>", "only this object: fs/proc/version.o (repeatable)"),
  pair: repeatedWord("--pair <orig=patched>", "two variables that are one, as for diff (repeatable)"),
  dryRun: flag("--dry-run", "stop before the first compile"),
  keep: flag("--keep", "keep the objects and the module's folder in the cache"),
  sign: listWord("--sign <files...>", "sign the module: KEY CERTIFICATE"),
  ...commonRows,
  ...symbolRows,
};

const ERRATUM_ROW = flag("--erratum-843419", "arm64: the CPUs have this erratum");
const X86_ROW = parsed(
  "--x86 <states>",
  "x86_64: what the kernel made of its mitigations: mitigations=off, or returns=…,indirect=…,calls=plain|depth,locks=smp|up",
  x86State,
);

export const imageRows = {
  output: word("-o, --output <file>", "ELF file (default: MODULE.image.elf); `-`: stdout"),
  at: word(
    "--at <addresses>",
    "ADDR of the text (default: where modules begin), or text=ADDR,data=ADDR,… (a region each, from a page on), percpu=ADDR",
  ),
  sections: word("--sections <path>", "section addresses: /sys/module/NAME/sections or a copy, or lines `NAME ADDR`"),
  raw: word("--raw <folder>", "one file for each section"),
  map: flagOrWord("--map [file]", "table of regions, sections, stubs and symbols"),
  stage: choiceOr("--stage <when>", "state of the kernel", ["relocated", "loaded"], "relocated"),
  late: word("--late <objects>", "as if these modules that it patches were loaded"),
  param: repeatedWord("--param <name=value>", "loaded: a parameter that was given, or `none`"),
  patchedBy: repeatedWord("--patched-by <livepatch.ko>", "loaded: a livepatch in force before it, or `none`"),
  kernelToc: word("--kernel-toc <address>", "ppc64le: the kernel's TOC base, if not known"),
  pacaTocOffset: word("--paca-toc-offset <offset>", "ppc64le: kernel_toc in the paca (10, or 8)"),
  erratum843419: ERRATUM_ROW,
  x86: X86_ROW,
  force: flag("--force", "write the image even if errors were found"),
  ...commonRows,
  ...kernelRows,
};

export const verifyRows = {
  root: word("--root <folder>", "what the capture script copied from another machine (default: this machine)"),
  kernel: repeatedWord(
    "-k, --kernel <file>",
    "its System.map or vmlinux, where the running kernel lists functions only (it may have been moved: KASLR)",
  ),
  module: repeatedWord("-m, --module <file@sections>", "likewise: a module that it needs, and its section addresses"),
  erratum843419: ERRATUM_ROW,
  patchedBy: repeatedWord(
    "--patched-by <livepatch.ko>",
    "a livepatch in force that patches it: these sites must be calls",
  ),
  x86: X86_ROW,
  ...commonRows,
};

export const showRows = {
  sections: flag("--sections", "sections"),
  symbols: flag("--symbols", "symbols, with local entry and livepatch fields"),
  relocations: flag("--relocations", "relocations, with symbol names"),
  toc: flag("--toc", "ppc64le: each call and what the loader makes of it, and the ways to fix it, compared"),
  kernel: repeatedWord(
    "-k, --kernel <file>",
    "alone: what is known of this kernel; with --toc: for the livepatch stack",
  ),
  root: ROOT_ROW,
  livepatchStack: parsed("--livepatch-stack <a,b>", "with --toc: as for link", livepatchStack),
  pager: unless("--no-pager", "on a terminal, too, all at once (else by PAGER, or less)"),
  ...textOrJson,
};

export const explainRows = {
  module: word("-m, --module <file>", "the module that was refused: finds the very instruction"),
  ...textJsonOrHtml,
  ...kernelFileRows,
};

export const sitesRows = {
  function: repeatedWord("--function <name>", "only this function; may be given several times"),
  as: choice("--as <state>", "the bytes that the kernel writes at each site", ["nop", "call"]),
  target: parsed("--target <address>", "with --as call: what the sites call", address),
  ops: parsed("--ops <address>", "with --as, arm64: what the pointer in front of each site is to name", address),
  section: parsed("--section <name=address>", "where a section of a module is loaded", sectionAddress),
  kernel: repeatedWord(
    "-k, --kernel <file>",
    "vmlinux: can the functions be patched that a livepatch module replaces?",
  ),
  module: repeatedWord("-m, --module <file>", "a module that it patches: FILE.ko or NAME=FILE"),
  kernelVersion: parsed("--kernel-version <version>", "kernel version, where the bytes depend on it", kernelVersion),
  ...textJsonOrHtml,
};

export const modelRows = {
  list: flag("--list", "all known protocols, with their verdicts"),
  svg: word("--svg <file>", "draw the shortest failing run; `-` is standard output"),
  source: flag("--source", "print the protocol as JSON, to start one's own from"),
  tasks: parsed("--tasks <n>", "tasks at the site at the same time (default: the protocol's)", taskCount),
  assumeEmpty: parsed(
    "--assume-empty <places>",
    "assume that no task is at these places while the writer acts",
    places,
  ),
  ...textOrJson,
};

export const glueRows = {
  force: flag("--force", "overwrite files of these names that say something else"),
  ...textOrJson,
};

export const doctorRows = {
  root: wordOr("--root <folder>", "look below this folder instead: another system's files", "/"),
  ...textOrJson,
};

export const setupRows = {
  prefix: word(
    "--prefix <folder>",
    "write below FOLDER/share (default: /usr/local for root, else your own folder of data)",
  ),
  remove: flag("--remove", "remove what an earlier run wrote"),
  force: flag("--force", "overwrite or remove files of these names that are not klplink's"),
  ...textOrJson,
};
