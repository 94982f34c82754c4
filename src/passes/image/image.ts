// The image pass: what the kernel's loader would have in memory, for given addresses. The steps are those of
// load_module (kernel/module/main.c), in its order; a fault does not end them, so that all faults are reported.

import type { Arch } from "../../arch/index.ts";
import { hex } from "../../base/bytes.ts";
import { defined } from "../../base/defined.ts";
import { type Problem, problem } from "../../diag/catalogue.ts";
import { ProblemList } from "../../diag/problemList.ts";
import { SHF_ALLOC } from "../../elf/consts.ts";
import {
  type Layout,
  type LoadedSection,
  layOut,
  loadedSections,
  PERCPU_SECTION,
  type Placed,
  type Placement,
  place,
} from "../../kernel/loader/layout.ts";
import { isFreedInit } from "../../kernel/machines.ts";
import { checkForm, isFinishedModule } from "../../kernel/module/formRules.ts";
import { Findings } from "../../load/findings.ts";
import { Job } from "../../load/job.ts";
import type { ModuleImage } from "../../load/memory.ts";
import type { ImageOptions } from "../../load/options.ts";
import type { LoaderFacts } from "../../stubs/loader.ts";
import { loaderFacts } from "../loaderFacts.ts";
import { openModule, type Subject } from "../open.ts";
import { leftOutProblems } from "../problems/leftOut.ts";
import { preparationProblems } from "../problems/loader.ts";

export type { X86State } from "../../load/facts.ts";
export type { ImageSection, ModuleImage } from "../../load/memory.ts";
export type { ImageOptions } from "../../load/options.ts";

export interface ImageResult {
  readonly problems: readonly Problem[];
  /** Null if the loader does not get as far as laying the module out. */
  readonly image: ModuleImage | null;
  readonly arch: string;
  readonly module: string;
}

/** More than any module has; the kernel's module area is smaller on most architectures. */
const SIZE_LIMIT = 0x800_0000;

/** @throws Unusable if the input cannot be read. */
export function image(bytes: Uint8Array, options: ImageOptions): ImageResult {
  return imageOf(openModule(bytes, options.file), options);
}

/** As {@link image}, of an opened module. */
export function imageOf(subject: Subject, options: ImageOptions): ImageResult {
  const { file, arch, symbols, module, modInfo } = subject;
  const facts = factsOf(subject, options);
  const { version } = facts;
  const problems = new ProblemList();
  const loader = arch.loader(facts.features);
  const preparation = loader.prepare(file, symbols, facts);
  if (isFinishedModule(file, options.file)) problems.add(checkForm(file, module, version, options.file));
  problems.add(preparationProblems(preparation, options.file));
  if (preparation.refusals.length > 0) return { problems: problems.all(), image: null, arch: arch.name, module };

  const sections = loadedSections(file, (i) => preparation.changes.get(i), facts.has("percpuRelocated"));
  const size = sections.reduce((sum, s) => ((s.flags & SHF_ALLOC) !== 0 ? sum + s.size : sum), 0);
  if (size > SIZE_LIMIT) {
    problems.push(problem("KLP211", { file: options.file }, { size, limit: SIZE_LIMIT }));
    return { problems: problems.all(), image: null, arch: arch.name, module };
  }
  const pageSize = options.pageSize ?? arch.pageSize;
  const layout = layOut(sections, {
    separate: facts.has("memoryTypes"),
    pageSize,
    isInit: (name) => isFreedInit(name, arch.machine),
    symtab: symbols.section,
    strtab: file.sections.link(symbols.section),
    symbols,
    isLivepatch: modInfo?.get("livepatch") != null,
  });
  const kernelText = arch.beforeKernel === null ? null : (options.kernel?.inObject("vmlinux", "_text")[0] ?? null);
  const start = kernelText === null ? arch.moduleBase : kernelText - (arch.beforeKernel ?? 0n);
  const placement = withPercpu(options, arch, sections, start, problems);
  const placed = place(layout, sections, placement, start, pageSize);
  placementProblems(placed.conflicts, { sections, layout }, options, problems);
  const findings = new Findings(
    {
      file,
      symbols,
      arch,
      facts,
      name: options.file,
      kernel: options.kernel,
      command: options.command ?? `klplink ${options.file}`,
    },
    problems,
  );
  const job = new Job({ file, symbols, arch, loader, facts, options, sections, layout, placed, preparation }, findings);
  const done = job.run();
  problems.add(leftOutProblems(file, options.file));
  return { problems: problems.all(), image: done, arch: arch.name, module };
}

/** What decides on how the loader takes the module. */
function factsOf({ file, arch, module, modInfo, version }: Subject, options: ImageOptions): LoaderFacts {
  const { kernel, kernelToc, pacaTocOffset, erratum843419 } = options;
  const features = arch.features(file, kernel === null ? null : (name) => kernel.inObject("vmlinux", name).length > 0);
  const vermagic = modInfo?.get("vermagic") ?? "";
  const isSmp = vermagic === "" || / SMP\b/.test(vermagic);
  const given = {
    ...{ module, version: options.kernelVersion ?? version, features, isSmp },
    ...defined({ kernelToc, pacaTocOffset, erratum843419 }),
  };
  const find = (name: string): bigint | null => kernel?.inObject("vmlinux", name)[0] ?? null;
  return loaderFacts(given, kernel && { has: (name) => find(name) !== null, addressOf: find });
}

/** Addresses that were given and do not fit the layout. */
function placementProblems(
  conflicts: Placed["conflicts"],
  { sections, layout }: { readonly sections: readonly LoadedSection[]; readonly layout: Layout },
  options: ImageOptions,
  problems: ProblemList,
): void {
  for (const { section, given, expected } of conflicts) {
    const data = { section: sections[section]?.name ?? "", given: hex(given), expected: hex(expected) };
    problems.push(problem("KLP209", { file: options.file }, data));
  }
  for (const region of options.placement.bases.keys()) {
    if (layout.sizes.has(region)) continue;
    problems.push(problem("KLP212", { file: options.file }, { region, regions: [...layout.sizes.keys()] }));
  }
}

/** The per-CPU area's address: a place behind the kernel's own if it is not known, said when other addresses are real. */
function withPercpu(
  { file, placement, kernel }: ImageOptions,
  arch: Arch,
  sections: readonly LoadedSection[],
  start: bigint,
  problems: ProblemList,
): Placement {
  if (placement.percpu !== null || !sections.some((s) => s.name === PERCPU_SECTION && s.size > 0)) return placement;
  const end = kernel?.inObject("vmlinux", "__per_cpu_end")[0] ?? arch.percpuBase ?? start - 0x10000n;
  const percpu = (end + 0xffn) & ~0xffn;
  if (placement.bases.size > 0 || placement.sections.size > 0 || (placement.byIndex?.size ?? 0) > 0) {
    problems.push(problem("KLP213", { file }, { address: hex(percpu) }));
  }
  return { ...placement, percpu };
}
