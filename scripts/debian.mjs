// A Debian package of the single executable (single.mjs): the command, its man page, completions, what builds use (klplink.mk), examples.
// Needs dpkg-deb.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** Debian's names of Node.js's architectures. */
const ARCHITECTURES = { x64: "amd64", arm64: "arm64" };
const MAINTAINER = "the klplink authors <klplink@users.noreply.github.com>";

/** Seconds: of the sources, so that the same sources give the same package. */
function sourceDate(root) {
  const { SOURCE_DATE_EPOCH } = process.env;
  if (SOURCE_DATE_EPOCH !== undefined) return Number(SOURCE_DATE_EPOCH);
  try {
    return Number(execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" }));
  } catch {
    return 0;
  }
}

function controlText({ version, homepage, description }, arch, kilobytes) {
  return `Package: klplink
Version: ${version}
Architecture: ${ARCHITECTURES[arch]}
Maintainer: ${MAINTAINER}
Installed-Size: ${kilobytes}
Depends: libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 9)
Suggests: less, make
Section: kernel
Priority: optional
Homepage: ${homepage.replace(/#.*$/, "")}
Description: linker and checker of Linux livepatch modules
 ${description.replace(/^ELF relocation and livepatch module linker: /, "").replace(/^\w/, (c) => c.toUpperCase())}.
 .
 It does what the kernel's module loader will do, on any machine: it makes a
 module that loads, says what a kernel would refuse and why, and explains
 lines of dmesg. Modules of ppc64le, arm64 and x86_64. One executable, with
 Node.js in it.
`;
}

const read = (path) => readFileSync(path, "utf8").trim();

/** klplink's own licence, and where the others are. */
const copyrightText = (root) =>
  `${read(join(root, "LICENSE"))}\n\nThe licences of Node.js and of the packages that are in the executable: notices.txt.gz in this folder.\n`;

const noticesText = (root, nodeLicence) =>
  `${read(join(root, "dist/NOTICES.txt"))}\n\n${"=".repeat(78)}\n\nNode.js:\n\n${read(nodeLicence)}\n`;

function changelogText({ version }, seconds) {
  const date = new Date(seconds * 1000).toUTCString().replace("GMT", "+0000");
  return `klplink (${version}) unstable; urgency=medium\n\n  * CHANGELOG.md of this version says what changed.\n\n -- ${MAINTAINER}  ${date}\n`;
}

/** Files of the package but for DEBIAN/, below `tree`: path to content. */
function contents({ root, executable, nodeLicence }, meta, seconds) {
  const say = (...args) => execFileSync(process.execPath, [join(root, "bin/klplink.js"), ...args]);
  const packed = (content) => gzipSync(content, { level: 9 });
  const kbuild = join(root, "samples/kbuild");
  const doc = "usr/share/doc/klplink";
  return new Map([
    ["usr/bin/klplink", readFileSync(executable)],
    ["usr/share/man/man1/klplink.1.gz", packed(say("man"))],
    ["usr/share/bash-completion/completions/klplink", say("completion", "bash")],
    ["usr/share/zsh/vendor-completions/_klplink", say("completion", "zsh")],
    ["usr/share/fish/vendor_completions.d/klplink.fish", say("completion", "fish")],
    ["usr/share/klplink/klplink.mk", readFileSync(join(kbuild, "klplink.mk"))],
    ["usr/share/klplink/klplink-capture.sh", readFileSync(join(root, "scripts/klplink-capture.sh"))],
    ...readdirSync(kbuild).map((name) => [`${doc}/examples/kbuild/${name}`, readFileSync(join(kbuild, name))]),
    [`${doc}/copyright`, copyrightText(root)],
    [`${doc}/notices.txt.gz`, packed(noticesText(root, nodeLicence))],
    [`${doc}/changelog.gz`, packed(changelogText(meta, seconds))],
  ]);
}

/** Writes klplink_VERSION_ARCH.deb into `out`; returns its path. */
export function makeDebian(given) {
  const { root, arch, out } = given;
  const meta = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const seconds = sourceDate(root);
  const tree = mkdtempSync(join(tmpdir(), "klplink-deb-"));
  try {
    const sums = [];
    let bytes = 0;
    for (const [path, content] of contents(given, meta, seconds)) {
      const file = join(tree, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      writeFileSync(file, content);
      chmodSync(file, /^usr\/bin\/|\.sh$/.test(path) ? 0o755 : 0o644);
      bytes += Buffer.byteLength(content);
      sums.push(`${createHash("md5").update(content).digest("hex")}  ${path}\n`);
    }
    mkdirSync(join(tree, "DEBIAN"));
    chmodSync(tree, 0o755);
    writeFileSync(join(tree, "DEBIAN/control"), controlText(meta, arch, Math.ceil(bytes / 1024)));
    writeFileSync(join(tree, "DEBIAN/md5sums"), sums.join(""));
    const path = join(out, `klplink_${meta.version}_${ARCHITECTURES[arch]}.deb`);
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(seconds) };
    execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "-z3", "--build", tree, path], {
      env,
      stdio: ["ignore", "ignore", 2],
    });
    return path;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
