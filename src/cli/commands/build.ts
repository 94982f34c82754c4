import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { ArchName } from "../../base/archName.ts";
import { printable } from "../../base/bytes.ts";
import { defined } from "../../base/defined.ts";
import { TooMuchWork } from "../../base/work.ts";
import type { ObjectPair } from "../../build/compiled/pairs.ts";
import { symversOf, versionProblems } from "../../build/compiled/versions.ts";
import { configProblems, hasLinkTimeCode, parseConfigText } from "../../build/config.ts";
import { KernelBuild } from "../../build/kernelBuild.ts";
import { makeMachines } from "../../build/machines.ts";
import { Programs } from "../../build/make.ts";
import { ModuleFolderBuild } from "../../build/moduleFolder.ts";
import { type ApplyResult, applyPatches } from "../../build/patch/apply.ts";
import { type FilePatch, PatchError } from "../../build/patch/file.ts";
import { withLines } from "../../build/patch/lines.ts";
import { parsePatch } from "../../build/patch/parse.ts";
import type { PatchBuild } from "../../build/patchBuild.ts";
import { treeReader } from "../../build/plan.ts";
import { refusedFiles, refusedWords } from "../../build/refused.ts";
import { isOfVersion, sourceVersion } from "../../build/source.ts";
import { BuildStop, cacheStop, Interrupted, patchProblem } from "../../build/stop.ts";
import { cacheFolder, Workspace } from "../../build/workspace.ts";
import { levelOf, type Problem, problem } from "../../diag/catalogue.ts";
import { archNameOf } from "../../elf/machine.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type ChangedPair, comparePairs, makeModule, takeOut } from "../../passes/diff/livepatchModule.ts";
import { previousProblems, succession } from "../../passes/diff/previous.ts";
import { workProblem } from "../../passes/input.ts";
import { openModule, type Subject } from "../../passes/open.ts";
import type { Context } from "../context.ts";
import { type FoundConfig, findConfigFile, findModuleFile, findSymvers } from "../files/builds/buildInputs.ts";
import { type BuildPlace, isFolder, openPlace } from "../files/builds/buildPlace.ts";
import { namedPatches } from "../files/builds/series.ts";
import { readUnpacked, UsageError, write } from "../files/io.ts";
import { writeOutput } from "../files/output.ts";
import type { buildRows } from "../optionRows.ts";
import { readKernel } from "../options.ts";
import type { ValuesOf } from "../optionTable.ts";
import { type Progress, startProgress } from "../progress.ts";
import { Reporter } from "../report.ts";
import { askOutside } from "./buildOutside.ts";
import { type BuildOutcome, reportBuild } from "./buildReport.ts";
import { parsePair } from "./diffOptions.ts";

export type BuildCommandOptions = ValuesOf<typeof buildRows>;

/** Exit status of a run that a signal ended. */
const INTERRUPTED = 130;

/** `klplink build <patch...>`: returns the exit status. */
export async function runBuild(
  patches: readonly string[],
  options: BuildCommandOptions,
  context: Context,
): Promise<number> {
  const run = new Run(patches, options, context);
  const interrupt = (): void => run.interrupt();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
  try {
    return await run.run();
  } finally {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, interrupt);
  }
}

class Run {
  readonly #patches: readonly string[];
  readonly #options: BuildCommandOptions;
  readonly #context: Context;
  readonly #reporter: Reporter;
  readonly #problems: Problem[] = [];
  readonly #outcome: BuildOutcome = {
    applied: null,
    plan: null,
    changed: [],
    taken: null,
    made: null,
    configuration: null,
    succession: null,
    unasked: [],
  };
  #programs: Programs | null = null;
  #workspace: Workspace | null = null;
  #isInterrupted = false;
  #progress: Progress | null = null;
  #step = "";
  /** Text of the kernel's Module.symvers; null: not known. */
  #symvers: string | null = null;

  constructor(patches: readonly string[], options: BuildCommandOptions, context: Context) {
    this.#patches = patches;
    this.#options = options;
    this.#context = context;
    this.#reporter = new Reporter(options, context);
  }

  interrupt(): void {
    this.#isInterrupted = true;
    this.#programs?.interrupt();
  }

  async run(): Promise<number> {
    const { options, name } = { options: this.#options, name: livepatchName(this.#options.name, this.#patches) };
    const output = options.output ?? `${name}.ko`;
    this.#progress = await startProgress(options.quiet !== true && this.#reporter.isText, this.#context);
    let status = 0;
    let said = "";
    try {
      said = await this.#build(name, output);
    } catch (error) {
      this.#progress.clear();
      if (error instanceof Interrupted) {
        await write(this.#context.stderr, "klplink: interrupted; nothing was written\n");
        return INTERRUPTED;
      }
      if (!(error instanceof BuildStop)) throw error;
      for (const p of error.problems) this.#problems.push(p);
      status = error.status;
    } finally {
      this.#workspace?.recover();
      this.#workspace?.unlock();
    }
    this.#progress.clear();
    const hasError = this.#problems.some((p) => levelOf(p) === "error");
    const ended = status !== 0 ? status : hasError ? 1 : 0;
    const kept = options.keep === true ? (this.#workspace?.folder ?? null) : null;
    const found = { outcome: this.#outcome, problems: this.#problems, said, isGood: ended === 0, kept };
    await reportBuild({ ...found, output, options }, this.#reporter, this.#context);
    return ended;
  }

  /** All steps. @returns what is said at the end @throws BuildStop, Interrupted, InputProblem, UsageError */
  async #build(name: string, output: string): Promise<string> {
    const options = this.#options;
    const patches = await this.#readPatches();
    this.#refuse([...refusedFiles(patches, options.oot !== undefined), ...refusedWords(patches)]);
    this.#show("reads the kernel");
    const kernel = await readKernel(options, this.#context);
    if (kernel === null || !kernel.hasSymbols)
      throw new UsageError("build needs the kernel that is to be patched: give vmlinux, or System.map, with -k");
    const machine = makeMachines[archOf(kernel)];
    const folder = cacheFolder(this.#context.env);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw cacheStop(error, folder);
    }
    const programs = new Programs(this.#context.env);
    this.#programs = programs;
    if (this.#isInterrupted) programs.interrupt();
    if (options.sign !== undefined && options.sign.length !== 2)
      throw new UsageError("--sign takes two files: KEY CERTIFICATE");
    const previous = await this.#previous(name, kernel.release);
    const place = await openPlace(options, kernel.release, machine, programs);
    try {
      const workspace = await this.#lock(new Workspace(join(folder, place.key)));
      programs.logTo(join(workspace.folder, "log"));
      programs.temporaryIn(workspace.temporary);
      programs.onStart((pid) => workspace.noteGroup(pid));
      await place.copy(workspace, this.#show);
      if (programs.isInterrupted) throw new Interrupted();
      return await this.#inTree({ patches, kernel, machine, programs, workspace, place, previous, name, output });
    } catch (error) {
      throw cacheStop(error, folder);
    }
  }

  async #previous(name: string, release: string | null): Promise<Subject | null> {
    const { previous, replace } = this.#options;
    if (previous === undefined) return null;
    if (!replace) throw new UsageError("--previous is what the livepatch replaces; with --no-replace it replaces none");
    const { bytes, name: file } = await readUnpacked(previous, this.#context);
    const old = openModule(bytes, file);
    this.#refuse(previousProblems(old, name, release));
    return old;
  }

  async #lock(workspace: Workspace): Promise<Workspace> {
    await workspace.lock((pid) => {
      this.#show(`waits for another build of this source (process ${pid})`);
      return !this.#isInterrupted;
    });
    this.#workspace = workspace;
    return workspace;
  }

  async #inTree(at: InTree): Promise<string> {
    const options = this.#options;
    const { patches, kernel, workspace, place } = at;
    const read = treeReader(workspace.tree);
    const version = place.headers === null ? sourceVersion(read("Makefile") ?? "") : null;
    if (kernel.release !== null && version !== null && !isOfVersion(kernel.release, version))
      this.#problems.push(problem("KLP815", { file: place.name }, { source: version, kernel: kernel.release }));
    const applied = this.#apply(patches, read);
    this.#outcome.applied = applied;
    for (const { patch, line, path, offset, fuzz } of applied.adjusted)
      if (fuzz > 0) this.#problems.push(problem("KLP806", { file: patch, line }, { path, offset, fuzz }));
    if (applied.files.length === 0) return "the patch changes nothing in this source\n";
    const build = await this.#prepared(at);
    const only = options.only ?? [];
    const isDry = options.dryRun === true;
    const plan = await build.plan({ files: applied.files, patches, read, only, isDry });
    this.#outcome.plan = plan;
    this.#refuse(plan.problems);
    if (isDry && (plan.objects.length > 0 || plan.basis === "unbuilt")) return "";
    if (plan.objects.length === 0) return "nothing that is compiled in this configuration includes a patched file\n";
    await this.#findVersions(kernel, build);
    await build.prepare();
    if (options.sign !== undefined) this.#refuse(signProblems(build));
    const files = applied.files.map((f) =>
      f.text === null || !options.lines ? f : { ...f, text: withLines(f.path, f.text, f.groups), plain: f.text },
    );
    const pairs = await build.pairs(plan.objects, files);
    this.#keep(versionProblems(pairs, (exported) => kernel.exportOf(exported)));
    this.#stopOnErrors();
    this.#show("compares the objects");
    const isLinked = hasLinkTimeCode(build.config);
    const owners = pairs.flatMap((p) => p.owners);
    const modules = isLinked ? (await this.#withModules(kernel, owners)).modules : null;
    const changed = await comparePairs(pairs, { pairs: (options.pair ?? []).map(parsePair) }, modules);
    this.#outcome.changed = changed;
    for (const { result } of changed) this.#keep(result.problems);
    this.#stopOnErrors();
    if (changed.length === 0) return "no functional change: the patch applies, and the code stays the same\n";
    return await this.#module(at, build, changed, pairs);
  }

  /** Looks for the checksums of exports that modules name. @throws BuildStop KLP825 */
  async #findVersions(kernel: Kernel, { config, exportList }: PatchBuild): Promise<void> {
    const { kernel: named, root } = this.#options;
    const found = await findSymvers(named ?? [], root ?? "/", this.#context);
    this.#symvers = found ?? symversOf(kernel.exportsOfVmlinux?.exports ?? []);
    if (exportList !== null && this.#symvers === null && config.has("CONFIG_MODVERSIONS"))
      this.#refuse([problem("KLP825", { file: named?.[0] ?? "" }, { release: kernel.release })]);
  }

  /** The build, configured, with what is to be said of its configuration. */
  async #prepared({ kernel, machine, programs, workspace, place: { headers } }: InTree): Promise<PatchBuild> {
    const options = this.#options;
    const found = headers?.config ?? (await this.#configuration(kernel));
    this.#outcome.configuration = found.name;
    this.#refuse(configProblems(parseConfigText(found.text), found.name, machine));
    const common = {
      machine,
      workspace,
      programs,
      config: found.text,
      show: this.#show,
      ...defined({ cross: options.cross, compiler: options.cc, jobs: options.jobs }),
    };
    const build =
      headers === null
        ? new KernelBuild({ ...common, release: kernel.release, builtFolders: (options.kernel ?? []).filter(isFolder) })
        : new ModuleFolderBuild({ ...common, headers: headers.folder, variables: options.make ?? [] });
    if (build.compilers !== null) this.#problems.push(problem("KLP814", { file: found.name }, build.compilers));
    const changes = await build.configure();
    if (changes.length > 0) this.#problems.push(problem("KLP813", { file: found.name }, { changes }));
    return build;
  }

  #configuration({ release }: Kernel): Promise<FoundConfig> {
    const { config, kernel, root, source } = this.#options;
    const about = { kernels: kernel ?? [], release, root: root ?? "/", source: resolve(source ?? ".") };
    return findConfigFile(config, about, this.#context);
  }

  async #module(
    at: InTree,
    build: PatchBuild,
    changed: readonly ChangedPair[],
    pairs: readonly ObjectPair[],
  ): Promise<string> {
    const { workspace, name, output } = at;
    const options = this.#options;
    const kernel = await this.#withModules(
      at.kernel,
      changed.map((c) => c.object),
    );
    const { unpatched } = build;
    const outside = askOutside({ changed, pairs, unpatched, modules: kernel.modules, show: this.#show });
    this.#keep(outside.problems);
    this.#outcome.unasked = outside.unasked;
    const positions = options.sympos ?? new Map<string, number>();
    const taken = await takeOut(changed, kernel, positions, workspace.tree);
    this.#outcome.taken = taken;
    this.#keep(taken.problems);
    this.#stopOnErrors();
    if (taken.bytes === null) return "no functional change: nothing is to be replaced\n";
    this.#show("makes the module");
    const folder = join(workspace.folder, "module");
    const { replace } = options;
    const made = await makeModule(taken.bytes, {
      build,
      folder,
      name,
      replace,
      kernel,
      positions,
      symvers: this.#symvers,
    });
    this.#outcome.made = made;
    this.#keep(made.problems);
    if (made.bytes === null) return "";
    if (at.previous !== null) {
      const { problems, ...found } = succession(at.previous, made.subject);
      this.#outcome.succession = found;
      this.#keep(problems);
      this.#stopOnErrors();
    }
    const signed = options.sign === undefined ? made.bytes : await this.#sign(made.bytes, build, folder);
    if (at.programs.isInterrupted) throw new Interrupted();
    writeOutput(output, signed, 0o644);
    if (options.keep !== true) {
      for (const part of ["module", "pairs"]) rmSync(join(workspace.folder, part), { recursive: true, force: true });
    }
    return "";
  }

  /** The kernel with the modules that the patch changes: those of -m, else where they lie beside it. */
  async #withModules(kernel: Kernel, objects: readonly string[]): Promise<Kernel> {
    const { loadModule } = await import("../files/kernel/kernel.ts");
    const options = this.#options;
    const missing = [...new Set(objects)].filter((o) => o !== "vmlinux" && !kernel.modules.has(o));
    let known = kernel;
    for (const name of missing) {
      const path = findModuleFile(
        name,
        [...(options.kernel ?? []), ...(options.oot === undefined ? [] : [options.oot])],
        kernel.release,
        options.root ?? "/",
      );
      if (path === null)
        throw new UsageError(`the patch changes module ${name}: give it as it is on the machine with -m ${name}.ko`);
      known = known.withModules([await loadModule(path, name, this.#context)]);
    }
    return known;
  }

  /** Signs a module by the kernel's own program. @throws BuildStop KLP822 */
  async #sign(bytes: Uint8Array, build: PatchBuild, folder: string): Promise<Uint8Array> {
    const [key = "", certificate = ""] = this.#options.sign ?? [];
    const file = join(folder, "signed.ko");
    writeFileSync(file, bytes);
    const tool = build.signer;
    const hash = (build.config.get("CONFIG_MODULE_SIG_HASH") ?? '"sha256"').replaceAll('"', "");
    const { readFileSync } = await import("node:fs");
    const ended = await (this.#programs as Programs).run(tool, [hash, resolve(key), resolve(certificate), file]);
    if (ended.status !== 0)
      throw new BuildStop([
        problem("KLP822", { file: key }, { tool: "scripts/sign-file", lines: ended.last.slice(-3) }),
      ]);
    return readFileSync(file);
  }

  async #readPatches(): Promise<FilePatch[]> {
    const found: FilePatch[] = [];
    for (const { path, strip } of namedPatches(this.#patches)) {
      const { bytes, name } = await readUnpacked(path, this.#context);
      let parts: FilePatch[];
      try {
        parts = parsePatch(bytes, name, strip ?? this.#options.strip);
      } catch (error) {
        if (!(error instanceof PatchError)) throw error;
        throw new BuildStop([patchProblem(error)], 3);
      }
      if (parts.length === 0)
        throw new BuildStop([problem("KLP801", { file: name }, { what: "there is no diff in it" })], 3);
      for (const part of parts) found.push(part);
    }
    return found;
  }

  #apply(patches: readonly FilePatch[], read: (path: string) => string | null): ApplyResult {
    try {
      return applyPatches(patches, read, this.#options.fuzz);
    } catch (error) {
      if (error instanceof TooMuchWork) throw new BuildStop([workProblem(error)], 3);
      if (!(error instanceof PatchError)) throw error;
      throw new BuildStop([patchProblem(error)]);
    }
  }

  #keep(problems: readonly Problem[]): void {
    const seen = new Set(this.#problems.map((p) => JSON.stringify([p.code, p.at, p.data], bigints)));
    for (const p of problems) if (!seen.has(JSON.stringify([p.code, p.at, p.data], bigints))) this.#problems.push(p);
  }

  #refuse(problems: readonly Problem[]): void {
    if (problems.length > 0) throw new BuildStop(problems);
  }

  #stopOnErrors(): void {
    if (this.#problems.some((p) => levelOf(p) === "error")) throw new BuildStop([]);
  }

  /** A word of progress: a line that changes on a terminal; elsewhere a line for each step. */
  #show = (text: string): void => {
    const step = text.replace(/:.*/, "");
    const isNew = step !== this.#step;
    this.#progress?.show(text, isNew);
    if (!isNew) return;
    this.#step = step;
    const { stderr } = this.#context;
    if (stderr.isTTY === true || this.#options.quiet === true || !this.#reporter.isText) return;
    void write(stderr, `klplink: ${printable(step)}\n`);
  };
}

interface InTree {
  readonly patches: readonly FilePatch[];
  readonly kernel: Kernel;
  readonly machine: (typeof makeMachines)[ArchName];
  readonly programs: Programs;
  readonly workspace: Workspace;
  readonly place: BuildPlace;
  /** The livepatch in force; null: none is said. */
  readonly previous: Subject | null;
  readonly name: string;
  readonly output: string;
}

const SIGN = "scripts/sign-file";

function signProblems(build: PatchBuild): Problem[] {
  if (existsSync(build.signer)) return [];
  return [problem("KLP822", { file: SIGN }, { tool: SIGN, lines: ["without CONFIG_MODULE_SIG it is not built"] })];
}

const bigints = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

function archOf(kernel: Kernel): ArchName {
  for (const { machine } of kernel.machines) {
    const name = archNameOf(machine);
    if (name !== null) return name;
  }
  throw new UsageError("nothing of what -k names tells its architecture: give vmlinux");
}

/** `livepatch-NAME`, of characters that a module's name may have, 55 at most. */
function livepatchName(given: string | undefined, [first = "patch"]: readonly string[]): string {
  const base = given ?? basename(first).replace(/\.(?:patch|diff)(?:\.\w+)?$|\.(?:gz|xz|zst)$/, "");
  const name = `livepatch-${base.replace(/^livepatch-/, "")}`.replace(/[^A-Za-z0-9_-]/g, "-");
  return name.slice(0, 55);
}
