// Programs and headers that a kernel's build needs, and what is told of one that is missing.

/** The Debian package of a program; null: not known. Cross compilers are named after their prefix. */
export function packageOf(command: string): string | null {
  const name = command.replace(/^.*\//, "");
  const [, prefix = "", tool = ""] = /^([\w]+-linux-gnu-)(\w+)(?:-\d+)?$/.exec(name) ?? [];
  if (prefix !== "") {
    const of = prefix.slice(0, -1).replaceAll("_", "-");
    return /^(?:gcc|cpp)$/.test(tool)
      ? `${name.includes(`${tool}-`) ? name.replaceAll("_", "-") : `gcc-${of}`}`
      : `binutils-${of}`;
  }
  return (
    PACKAGES[name] ?? (/^(?:gcc|clang|lld)-\d+$/.test(name) ? name : /^ld\.lld-\d+$/.test(name) ? name.slice(3) : null)
  );
}

const PACKAGES: Readonly<Record<string, string>> = {
  make: "make",
  gcc: "gcc",
  clang: "clang",
  "ld.lld": "lld",
  ld: "binutils",
  flex: "flex",
  bison: "bison",
  bc: "bc",
  perl: "perl",
  git: "git",
  tar: "tar",
  xz: "xz-utils",
  zstd: "zstd",
  cpio: "cpio",
  rsync: "rsync",
  pahole: "pahole",
  python3: "python3",
  openssl: "openssl",
};

/** Headers of libraries that the kernel's own programs (objtool, sign-file) are compiled with. */
const HEADERS: Readonly<Record<string, string>> = {
  "gelf.h": "libelf-dev",
  "libelf.h": "libelf-dev",
  "elf.h": "libc6-dev",
  "stdio.h": "libc6-dev",
  "xxhash.h": "libxxhash-dev",
};

export interface MissingTool {
  readonly name: string;
  readonly package: string | null;
}

/** What a failed build says that it has not found: a program of a shell's line, or a header; null: neither. */
export function missingIn(lines: readonly string[]): MissingTool | null {
  for (const line of lines) {
    const [, command] =
      /^(?:\/bin\/)?(?:ba|da)?sh: (?:line )?(?:\d+: )?([\w.+-]+): (?:command )?not found$/.exec(line) ??
      /^make(?:\[\d+\])?: ([\w.+-]+): No such file or directory$/.exec(line) ??
      [];
    if (command !== undefined) return { name: command, package: packageOf(command) };
    const [, header = ""] = /fatal error: ([\w./+-]+\.h): No such file or directory/.exec(line) ?? [];
    const from = HEADERS[header] ?? (header.startsWith("openssl/") ? "libssl-dev" : null);
    if (from !== null) return { name: header, package: from };
  }
  return null;
}
