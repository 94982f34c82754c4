// What kbuild notes of how it made a file: `.NAME.cmd` beside it. Forms of 6.1 (`cmd_TARGET := …`) and since 6.4 (`savedcmd_TARGET := …`).

/** How an object was made, as far as it tells what the object belongs to. */
export interface BuildCommand {
  /** The object's path, as make knew it. */
  readonly target: string;
  readonly kind: "compiled" | "linked" | "other";
  /** Compiled for the kernel, not for the machine that builds. */
  readonly isKernel: boolean;
  /** Compiled for a module. */
  readonly isModule: boolean;
  /** Names of the modules, as the kernel writes them; empty where the command does not say, or for the kernel itself. */
  readonly modules: readonly string[];
  /** For a program of its own that the kernel only carries: a vDSO, code of real mode. */
  readonly isApart: boolean;
}

/** Bytes of a command file that are read: the command stands in its first line, and names at most some hundred headers' folders. */
export const MOST_OF_COMMAND = 1 << 18;

/** Definitions that code of other address spaces is compiled with (arch/x86/realmode/rm, vDSOs of 6.1 to 7.2). */
const APART: ReadonlySet<string> = new Set(["-DBUILD_VDSO", "-DBUILD_VDSO32", "-D_WAKEUP", "-m16"]);

/** Reads a command file; null if it is none. Any text is safe. */
export function readBuildCommand(text: string): BuildCommand | null {
  const end = text.indexOf("\n");
  const line = end < 0 ? text : text.slice(0, end);
  const name = /^(?:saved)?cmd_(\S+) := /.exec(line);
  if (name === null) return null;
  const words = line.slice(name[0].length).trim().split(/\s+/);
  const has = (word: string): boolean => words.includes(word);
  const modules = words.flatMap((w) => namesIn(w, "-DKBUILD_MODNAME="));
  const isModule = has("-DMODULE");
  return {
    target: name[1] ?? "",
    kind: has("-c") ? "compiled" : has("-r") ? "linked" : "other",
    isKernel: has("-D__KERNEL__"),
    isModule,
    modules: isModule ? modules : [],
    isApart: words.some((w) => APART.has(w)),
  };
}

/** `-DKBUILD_MODNAME='"a:b"'`: the modules that an object is a part of. */
function namesIn(word: string, definition: string): string[] {
  if (!word.startsWith(definition)) return [];
  const value = word.slice(definition.length).replace(/['"\\]/g, "");
  return value.split(":").filter((name) => /^\w+$/.test(name));
}

/** What an object was compiled of (scripts/basic/fixdep.c of 6.1 to 7.2 writes it). Paths as make knew them. */
export interface Prerequisites {
  readonly source: string;
  /** Files that the compiler read beside it; what the configuration has is left out. */
  readonly files: readonly string[];
}

/** Reads what a command file says of prerequisites; null if it says nothing. Any text is safe. */
export function readPrerequisites(text: string): Prerequisites | null {
  const source = /^source_\S+ := (\S+)$/m.exec(text)?.[1];
  const start = /^deps_\S+ := ?\\?$/m.exec(text);
  if (source === undefined || start === null) return null;
  const files: string[] = [];
  for (const line of text.slice(start.index + start[0].length + 1).split("\n")) {
    const word = /^\s+(\$\(wildcard [^)]*\)|\S+)(?: \\)?$/.exec(line)?.[1];
    if (word === undefined) break;
    if (!word.startsWith("$(")) files.push(word);
  }
  return { source, files };
}
