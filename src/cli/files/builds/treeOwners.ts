// Which object of the kernel an object file of a build tree belongs to: read from what kbuild leaves beside it.

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join, posix } from "node:path";
import { normalModuleName } from "../../../kernel/module/modinfo.ts";
import { type BuildCommand, MOST_OF_COMMAND, readBuildCommand } from "../../../kernel/tree/commandFile.ts";
import { readModuleList, readThinArchive } from "../../../kernel/tree/memberLists.ts";
import type { BuildTree } from "./buildTree.ts";

export type Owner =
  /** A part of these: `vmlinux`, or modules' names as the kernel writes them. */
  | { readonly kind: "owned"; readonly objects: readonly string[] }
  /** Not compared, because its content is in another file that is, or says nothing. */
  | { readonly kind: "passed over"; readonly why: string }
  /** Code that runs elsewhere than in the kernel, or before it. */
  | { readonly kind: "apart"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string };

/** Folders of programs that the kernel's image only carries, in trees of 6.1 to 7.2. */
const APART: readonly (readonly [RegExp, string])[] = [
  [/^(?:.*\/)?arch\/[^/]+\/boot\//, "code that runs before the kernel"],
  [/^(?:.*\/)?drivers\/firmware\/efi\/libstub\//, "code that runs before the kernel"],
  [/^(?:.*\/)?arch\/[^/]+\/purgatory\//, "code that runs between two kernels"],
  [/^(?:.*\/)?arch\/x86\/realmode\/rm\//, "code that runs in real mode"],
];

/** Objects that hold what a build knows of itself: they differ between any two builds. */
const OF_THE_BUILD =
  /^(?:init\/version(?:-timestamp)?|kernel\/(?:configs|kheaders)|(?:certs|kernel)\/system_certificates|usr\/initramfs_data)\.o$/;

/** Paths of object files by the object of the kernel that is made of them. */
export type Members = ReadonlyMap<string, ReadonlySet<string>>;

const MOST_OF_LIST = 1 << 24;

export class TreeOwners {
  readonly #tree: BuildTree;
  #lists: Members | null = null;
  /** Objects of the kernel by the paths of their files. */
  readonly #owners = new Map<string, string[]>();

  readonly #other: BuildTree;

  /** @param other the tree that it is compared with: what a list names and only the other one has is known by its path */
  constructor(tree: BuildTree, other: BuildTree) {
    this.#tree = tree;
    this.#other = other;
  }

  #has(path: string): boolean {
    return this.#tree.objects.has(path) || this.#other.objects.has(path);
  }

  /** Whether a file is code of the kernel that stands in no other file: not linked of others, nor code that runs elsewhere. */
  mayBeOwned(path: string): boolean {
    const { kind } = this.ownerOf(path);
    return kind === "owned" || kind === "unknown";
  }

  /** @param path of an object file, below the tree's folder */
  ownerOf(path: string): Owner {
    if (OF_THE_BUILD.test(path)) return { kind: "passed over", why: "what the build knows of itself" };
    for (const [place, why] of APART) if (place.test(path)) return { kind: "apart", why };
    const command = this.#commandOf(path);
    if (command?.kind === "linked") return { kind: "passed over", why: "linked of others" };
    if (command?.isApart === true) return { kind: "apart", why: "code of another address space (a vDSO, real mode)" };
    const lists = this.members();
    const listed = this.#owners.get(path);
    if (listed !== undefined) return { kind: "owned", objects: listed };
    if (command?.isModule === true && command.modules.length > 0) return { kind: "owned", objects: command.modules };
    if (command === null) return { kind: "unknown", why: "it has no .cmd file, and is in no list" };
    if (command.isModule) return { kind: "unknown", why: "it was compiled for a module, and is in no .mod file" };
    if (command.kind === "compiled" && !command.isKernel)
      return { kind: "passed over", why: "a program of the machine that builds" };
    // Where nothing was linked, as after `make path/file.o`, the compiler's options are all there is.
    if (command.kind === "compiled" && !lists.has("vmlinux")) return { kind: "owned", objects: ["vmlinux"] };
    if (command.kind === "compiled")
      return { kind: "apart", why: "code of another program: it is in none of the kernel's archives" };
    return { kind: "unknown", why: "it was made by another command than a compiler" };
  }

  #commandOf(path: string): BuildCommand | null {
    const slash = path.lastIndexOf("/") + 1;
    const text = this.#read(`${path.slice(0, slash)}.${path.slice(slash)}.cmd`, MOST_OF_COMMAND);
    return text === null ? null : readBuildCommand(text.toString("latin1"));
  }

  /** What the tree's lists say: for each module, and for vmlinux where its archive is there, the paths of its object files. */
  members(): Members {
    if (this.#lists !== null) return this.#lists;
    const found = new Map<string, Set<string>>();
    for (const list of this.#tree.moduleLists) {
      const text = this.#read(list, MOST_OF_LIST)?.toString("latin1") ?? "";
      const name = normalModuleName(posix.basename(list, ".mod"));
      const paths = found.get(name) ?? new Set();
      found.set(name, paths);
      for (const member of readModuleList(text)) {
        const path = this.#resolve(member, posix.dirname(list));
        if (path !== null) paths.add(path);
      }
    }
    const kernel = this.#readMembers();
    if (kernel !== null) found.set("vmlinux", kernel);
    for (const [name, paths] of found) {
      for (const path of paths) {
        const known = this.#owners.get(path);
        if (known === undefined) this.#owners.set(path, [name]);
        else known.push(name);
      }
    }
    this.#lists = found;
    return found;
  }

  /**
   * An object of the trees by its path in a list, which counts from where make ran (to 6.12 also for modules out of tree: absolute):
   * the longest end of it that is a path below the list's folder, or below one of those above it.
   */
  #resolve(member: string, folder: string): string | null {
    const steps = posix.normalize(member).replace(/^\/+/, "").split("/");
    const above = folder === "." ? [] : folder.split("/");
    for (let from = 0; from < steps.length; from++) {
      const end = steps.slice(from).join("/");
      for (let depth = above.length; depth >= 0; depth--) {
        const path = [...above.slice(0, depth), end].join("/");
        if (this.#has(path)) return path;
      }
    }
    return null;
  }

  /** The members of vmlinux; null where the tree does not have its archive, or has parts of it only. */
  #readMembers(): Set<string> | null {
    const { archives } = this.#tree;
    const whole = ["vmlinux.a", "built-in.a"].find((path) => archives.includes(path));
    if (whole === undefined) return null;
    const libraries = archives.filter((path) => /(?:^|\/)lib\.a$/.test(path) && !APART.some(([p]) => p.test(path)));
    const found = new Set<string>();
    for (const archive of [whole, ...libraries]) {
      const bytes = this.#read(archive, MOST_OF_LIST);
      for (const member of bytes === null ? [] : (readThinArchive(bytes) ?? [])) {
        const beside = posix.join(posix.dirname(archive), member);
        const path = this.#has(beside) ? beside : this.#resolve(member, posix.dirname(archive));
        if (path !== null) found.add(path);
      }
    }
    return found;
  }

  #read(path: string, most: number): Buffer | null {
    return readStart(join(this.#tree.root, path), most);
  }
}

/** The first bytes of a file; null if it cannot be read, or is none: a pipe would never end, or never begin. */
function readStart(path: string, most: number): Buffer | null {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile()) return null;
      const bytes = Buffer.alloc(Math.min(stats.size, most));
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
}
