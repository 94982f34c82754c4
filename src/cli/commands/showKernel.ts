// `klplink show -k X`: what is known of a kernel, and what tells it.

import { visible } from "../../base/visible.ts";
import { wrap } from "../../diag/render/text.ts";
import { describeKernel, type Fact, type KernelFacts } from "../../kernel/describe.ts";
import type { Context } from "../context.ts";
import { columns, write } from "../files/io.ts";
import { type CommonOptions, type KernelOptions, readKernelFiles } from "../options.ts";

type Options = CommonOptions & KernelOptions;

const TITLES: Readonly<Record<keyof KernelFacts, string>> = {
  release: "release",
  arch: "architecture",
  vermagic: "vermagic",
  symbols: "symbols",
  repeated: "names with several positions",
  exports: "exports",
  gplOnly: "  of these GPL-only",
  checksums: "  of these with a checksum",
  patchSites: "functions that ftrace can patch",
  structModule: "struct module, bytes",
  livepatch: "CONFIG_LIVEPATCH",
  listsData: "CONFIG_KALLSYMS_ALL",
  modversions: "CONFIG_MODVERSIONS",
  ibt: "CONFIG_X86_KERNEL_IBT",
  callPadding: "bytes before functions",
  toc: "addressing of data",
  config: "options set",
};

/** What would tell a fact. */
const SOURCES: Readonly<Record<keyof KernelFacts, string>> = (() => {
  const kernel = "vmlinux or vmlinuz";
  const list = "vmlinux, vmlinuz, System.map, or /proc/kallsyms as root reads it";
  const exports = "vmlinux, vmlinuz or Module.symvers";
  const config = "config-RELEASE (package linux-image, kernel-core), or a kernel with CONFIG_IKCONFIG=y";
  return {
    release: kernel,
    arch: list,
    vermagic: kernel,
    symbols: list,
    repeated: list,
    exports,
    gplOnly: exports,
    checksums: exports,
    patchSites: kernel,
    structModule: "vmlinux or vmlinuz with types (CONFIG_DEBUG_INFO_BTF=y)",
    livepatch: config,
    listsData: config,
    modversions: config,
    ibt: config,
    callPadding: list,
    toc: list,
    config,
  };
})();

/** Columns of a line that is no row of the table. */
const WIDTH = 80;

const NOT_KNOWN = "not known";
/** Facts that other architectures do not have: not listed where nothing tells them. */
const OF_ONE_ARCH = new Set<string>(["ibt", "callPadding", "toc"]);

/** Returns the exit status. */
export async function showKernel(options: Options, context: Context): Promise<number> {
  const loaded = await readKernelFiles({ ...options, verbose: false } as Options, context);
  if (loaded === null) throw new Error("no kernel was given");
  const facts = describeKernel(loaded.kernel);
  const files = loaded.sources.flatMap(({ inputs }) => inputs.map(({ kind, name }) => ({ kind, name })));
  const modules = loaded.stores.length > 0;
  /** A file by its number. */
  const shortened = (from: string): string => {
    const at = files.findIndex(({ name }) => from.endsWith(name));
    return at < 0 ? from : `${from.slice(0, from.length - (files[at]?.name.length ?? 0))}[${at + 1}]`;
  };
  if (options.format === "json") {
    const document = { schema: "klplink-kernel/1", klplink: context.version, files, modules, facts };
    await write(context.stdout, `${JSON.stringify(document, null, 2)}\n`);
    return 0;
  }
  const rows = (Object.entries(facts) as [keyof KernelFacts, Fact<string | number | boolean>][])
    .filter(([key, { value }]) => value !== null || !OF_ONE_ARCH.has(key))
    .map(([key, { value, from }]) => [TITLES[key], valueText(value), from === null ? "" : visible(shortened(from))]);
  const lines = [
    ...files.map(({ name }, i) => `[${i + 1}] ${visible(name)}`),
    ...columns(rows),
    ...(modules ? ["modules by name: yes (-m NAME, check NAME)"] : []),
    ...wouldTell(facts),
  ];
  await write(context.stdout, lines.map((line) => `${line}\n`).join(""));
  return 0;
}

/** What would tell the facts that nothing tells, those of one source together. */
function wouldTell(facts: KernelFacts): string[] {
  const missing = new Map<string, string[]>();
  for (const [key, { value }] of Object.entries(facts) as [keyof KernelFacts, Fact<unknown>][]) {
    if (value !== null || OF_ONE_ARCH.has(key)) continue;
    const titles = missing.get(SOURCES[key]) ?? [];
    missing.set(SOURCES[key], [...titles, TITLES[key].trim()]);
  }
  return [...missing].flatMap(([source, titles]) => {
    const [first = "", ...rest] = wrap(`${titles.join(", ")}: ${source} would tell`, WIDTH - 2);
    return [first, ...rest.map((line) => `  ${line}`)];
  });
}

function valueText(value: string | number | boolean | null): string {
  if (value === null) return NOT_KNOWN;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return visible(String(value));
}
