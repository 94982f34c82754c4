// The reader and the writer of ELF, and the passes over a module, in memory.

import { levelOf, type Problem } from "../../../src/diag/catalogue.ts";
import { PLAIN, renderText } from "../../../src/diag/render/text.ts";
import { SourceIndex } from "../../../src/elf/dwarf/lines/source.ts";
import { readSubprograms } from "../../../src/elf/dwarf/lines/subprograms.ts";
import type { Prototype } from "../../../src/elf/dwarf/types/prototype.ts";
import { readTypeFacts } from "../../../src/elf/dwarf/types/prototypes.ts";
import { ElfError } from "../../../src/elf/error.ts";
import { readExecutable } from "../../../src/elf/executable.ts";
import { type ElfFile, readElf } from "../../../src/elf/reader.ts";
import { ElfEdits } from "../../../src/elf/writer/edits.ts";
import { writeElf } from "../../../src/elf/writer.ts";
import type { ModuleFacts } from "../../../src/kernel/module/moduleFacts.ts";
import { parseSymbols } from "../../../src/kernel/symbols/parseSymbols.ts";
import { PRODUCERS } from "../../../src/klp/producers/producer.ts";
import { analyse, type Options } from "../../../src/passes/analysis.ts";
import { check } from "../../../src/passes/check.ts";
import { finish } from "../../../src/passes/finish.ts";
import { image } from "../../../src/passes/image/image.ts";
import { imageDebug, imageElf, mapText, rawFiles } from "../../../src/passes/image/output.ts";
import { verify } from "../../../src/passes/image/verify.ts";
import { Unusable } from "../../../src/passes/input.ts";
import { link } from "../../../src/passes/link.ts";
import { load } from "../../helpers.ts";
import { hasHidden } from "../../hidden.ts";
import { bound, editSafely, useEveryView, vanishing } from "../exercise.ts";
import { filesIn, type Outcome, objectFiles, type Target } from "../frame/target.ts";
import { mutate } from "../mutate.ts";
import { editSections } from "./mutators.ts";

const listOf = (...names: readonly string[]) =>
  parseSymbols(
    Buffer.concat(names.flatMap((name) => [load(`samples/${name}/System.map`), Buffer.from("\n")])),
    "System.map",
  );
const ppc64le = listOf("ppc64le/meminfo", "ppc64le/sibling");
const lists = new Map([
  [21, ppc64le],
  [183, listOf("arm64/convert")],
  [62, listOf("x86_64/convert")],
]);
/** A kernel of the machine that the file says it is for: another one is refused before anything else. */
const symbolsFor = (bytes: Uint8Array) => lists.get((bytes[18] ?? 0) | ((bytes[19] ?? 0) << 8)) ?? ppc64le;

/** What a terminal would get of it. */
export function render(problems: readonly Problem[], input: Uint8Array): string {
  const text = renderText(problems, { width: 80, palette: PLAIN });
  // A few hundred bytes a problem, at most one for each row of 16 bytes.
  if (text.length > 64 * input.length + 65_536) throw new Error(`${text.length} characters of diagnostics`);
  if (text.split(/[\n\t]/).some(hasHidden)) throw new Error("control characters in diagnostics");
  return text;
}

/** The file, or null where the reader refuses it with an error in its bounds. */
export function reads(bytes: Uint8Array): ElfFile | null {
  try {
    return readElf(bytes);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    if (!(error.offset >= 0 && error.offset <= bytes.length)) throw new Error(`the error's offset is ${error.offset}`);
    return null;
  }
}

/** What an action over a module gives, or null where its input is unusable, which is a diagnostic. */
export function usable<T>(action: () => T): T | null {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Unusable)) throw error;
    return null;
  }
}

/** Those of the fixtures that the passes take as they are: most of what is made of them gets past the reader. */
const modules = (): readonly Uint8Array[] =>
  objectFiles().filter((bytes) => usable(() => analyse(bytes, { file: "in.o" })) !== null);

const elf: Target = {
  count: 1500,
  samples: objectFiles,
  mutate,
  run: (bytes) => {
    const file = reads(bytes);
    if (file !== null) {
      useEveryView(file);
      return { end: "read" };
    }
    if (usable(() => analyse(bytes, { file: "in.o" })) !== null)
      throw new Error("the passes accept what the reader refuses");
    return { end: "refused" };
  },
};

const writer: Target = {
  count: 500,
  samples: () => [...objectFiles(), vanishing([]), vanishing([{ name: "in_rela", bind: 1, home: ".rela.rodata" }])],
  mutate,
  run: (bytes) => {
    const file = reads(bytes);
    if (file === null) return { end: "refused" };
    if (writeElf(new ElfEdits(file)) !== bytes) throw new Error("without edits, the output is not the input");
    editSafely(file);
    return { end: "written" };
  },
};

/** Any function, whatever its name, takes no arguments. */
const anything = new Map<string, Prototype | null>();
anything.get = () => ({ isPrototyped: true, isVariadic: false, parameters: [], result: null });
const facts: ModuleFacts = { prototypes: anything, stacks: [] };
/** With and without force, and each way in which r2 can come back. */
const WAYS: readonly (readonly [force: boolean, way: Partial<Options>])[] = [
  [false, {}],
  [true, {}],
  [true, { tocRestore: "epilogue", siblings: "framed", facts }],
  [true, { tocRestore: "mini-frame", facts }],
  [true, { tocRestore: "shadow-stack", livepatchStack: { threadInfo: 8, stackPointer: 16 } }],
];
const errorsIn = (problems: readonly Problem[]): readonly Problem[] => problems.filter((p) => levelOf(p) === "error");

const linking: Target = {
  count: 500,
  samples: () => [...modules(), vanishing([]), vanishing([{ name: "in_rela", bind: 1, home: ".rela.rodata" }])],
  mutate,
  run: (bytes, seed) => {
    const [force, way] = WAYS[seed % WAYS.length] ?? [false, {}];
    const options: Options = seed % 3 === 0 ? { file: "in.o" } : { file: "in.o", symbols: symbolsFor(bytes) };
    const result = usable(() => link(bytes, { ...options, ...way, force }));
    if (result === null) return { end: "unusable" };
    const text = render(result.problems, bytes);
    const { output } = result;
    if (output === null) return { end: "not linked", output: text };
    if (!result.changed && output !== bytes) throw new Error("nothing changed, but the output is not the input");
    if (output.length > bound(bytes)) throw new Error(`${bytes.length} bytes became ${output.length}`);
    readElf(output);
    const again = link(output, options);
    if (!force && again.changed) throw new Error("linking the output again changes it");
    if (!force && errorsIn(result.problems).length === 0) {
      const left = errorsIn(check(output, options).problems);
      if (left.length > 0) throw new Error(`check finds ${left[0]?.code} in what link wrote without an error`);
    }
    return { end: result.changed ? "changed" : "as it was", output };
  },
};

const checking: Target = {
  count: 600,
  samples: modules,
  mutate,
  run: (bytes, seed) => {
    const options: Options = seed % 2 === 0 ? { file: "in.o" } : { file: "in.o", symbols: symbolsFor(bytes) };
    const result = usable(() => check(bytes, options));
    return result === null ? { end: "unusable" } : { end: "checked", output: render(result.problems, bytes) };
  },
};

const placement = { bases: new Map(), sections: new Map(), percpu: null };

const imaging: Target = {
  count: 400,
  samples: modules,
  mutate,
  run: async (bytes, seed): Promise<Outcome> => {
    const stage = seed % 2 === 0 ? "relocated" : "loaded";
    const result = usable(() =>
      image(bytes, { file: "in.ko", kernel: null, placement, stage } as Parameters<typeof image>[1]),
    );
    if (result === null) return { end: "unusable" };
    const text = render(result.problems, bytes);
    if (result.image === null) return { end: "no image", output: text };
    const made = imageElf(result.image, await imageDebug(result.image));
    readExecutable(made);
    const names = rawFiles(result.image).map((f) => f.name);
    if (new Set(names.map((n) => n.toLowerCase())).size < names.length) throw new Error("two raw files of one name");
    if (mapText(result.image).split("\n").some(hasHidden)) throw new Error("control characters in the map");
    return { end: "imaged", output: made };
  },
};

const verifying: Target = {
  count: 200,
  samples: modules,
  mutate,
  run: (bytes, seed) => {
    const memory = (_: bigint, size: number): Uint8Array | null =>
      seed % 3 === 0 ? null : new Uint8Array(Math.min(size, 1 << 22));
    const options = { file: "in.ko", kernel: null, placement, memory, isLoaded: () => seed % 2 === 0 };
    const result = usable(() => verify(bytes, options as unknown as Parameters<typeof verify>[1]));
    return result === null ? { end: "unusable" } : { end: "compared", output: render(result.problems, bytes) };
  },
};

/** What an edit gives; null where the file cannot be rewritten without guessing. */
function edited<T>(action: () => T): T | null {
  try {
    return action();
  } catch (error) {
    if (error instanceof ElfError && (error.kind === "edit" || error.kind === "removed")) return null;
    throw error;
  }
}

const producers: Target = {
  count: 400,
  samples: () =>
    filesIn(["test/fixtures/klp", "test/fixtures/diag", "test/fixtures/klplink", "samples"], /\.k?o$/).filter((bytes) =>
      /kpatch|\.klp|klp_|klplink/.test(Buffer.from(bytes).toString("latin1")),
    ),
  mutate: editSections(/kpatch|klp|strtab|symtab/),
  run: (bytes, seed) => {
    const from = seed % 4 === 0 ? undefined : PRODUCERS[(seed >> 2) % PRODUCERS.length];
    const file = reads(bytes);
    if (file === null) return { end: "refused" };
    const options = {
      file: "in.o",
      keep: seed % 5 === 0,
      symbols: symbolsFor(bytes),
      ...(from === undefined ? {} : { from }),
    };
    const done = usable(() => edited(() => finish(file, options)));
    if (done === null) return { end: "unusable" };
    const text = render(done.problems, bytes);
    if (done.output !== null) readElf(done.output);
    return {
      end: done.output === null ? `${done.producer} as it was` : `${done.producer} finished`,
      output: done.output ?? text,
    };
  },
};

const dwarf: Target = {
  count: 400,
  samples: () =>
    filesIn(["test/fixtures/dwarf", "test/fixtures/diag"], /\.k?o$/).filter((bytes) =>
      Buffer.from(bytes).includes(".debug_info"),
    ),
  mutate: editSections(/debug_/),
  run: async (bytes) => {
    const file = reads(bytes);
    if (file === null) return { end: "refused" };
    await readSubprograms(file);
    await readTypeFacts(file, ["module.name", "task_struct.thread_info"]);
    const source = await SourceIndex.read(file);
    const found: string[] = [];
    for (let section = 0; section < Math.min(file.sections.count, 64); section++) {
      const size = file.sections.size(section);
      for (let k = 0; k < 16; k++) {
        for (const frame of source.find(section, Math.floor((size * k) / 16)) ?? []) {
          if (!(frame.line >= 0 && frame.column >= 0)) throw new Error(`line ${frame.line}, column ${frame.column}`);
          if (frame.file.length > bytes.length) throw new Error(`a file name of ${frame.file.length} characters`);
          found.push(`${frame.file}:${frame.line}`);
        }
      }
    }
    return { end: source.fault === null ? "read" : "damaged", output: found.join("\n") };
  },
};

export const objectTargets = {
  elf,
  writer,
  link: linking,
  check: checking,
  image: imaging,
  verify: verifying,
  producers,
  dwarf,
};
