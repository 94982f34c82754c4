// What the bundle holds of others: dist/NOTICES.txt with the licence of each package, and of what is inside them as WebAssembly
// (scripts/notices), and dist/sbom.cdx.json, a CycloneDX list that `npm sbom` makes of package-lock.json, less what is not bundled.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const own = join(dirname(fileURLToPath(import.meta.url)), "notices");

/** Folders of the packages, from the project's root, that files are of. @param inputs paths as esbuild's metafile has them */
export function packagesOf(inputs) {
  const folders = [...inputs].map(
    (path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path.replace(/^[a-z]+:/, ""))?.[0],
  );
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}

function noticeOf(root, folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e(?:\.\w+)?$/i.test(entry));
  const by = typeof author === "string" ? author : author?.name;
  const text =
    file !== undefined
      ? readFileSync(join(root, folder, file), "utf8")
      : `Copyright (c) ${by ?? `the authors of ${name}`}\n\n${readFileSync(join(own, `${license}.txt`), "utf8")}`;
  const inside = join(own, `${name.replace(/^.*\//, "").replace(/-js$/, "")}.txt`);
  const more = existsSync(inside) ? [readFileSync(inside, "utf8").trim()] : [];
  return [`${name} ${version} (${license})`, text.trim(), ...more].join("\n\n");
}

const LINE = "=".repeat(78);

/** The licences of packages. @param folders from {@link packagesOf} */
export function licencesOf(root, folders) {
  const head = "klplink holds these packages, in whole or in part, with their licences. klplink's own is in LICENSE.";
  const text = [head, ...folders.map((folder) => noticeOf(root, folder))].join(`\n\n${LINE}\n\n`);
  return `${text.replace(/\r/g, "")}\n`;
}

/** @param folders from {@link packagesOf} */
export const writeNotices = (root, folders) => writeFileSync(join(root, "dist/NOTICES.txt"), licencesOf(root, folders));

/** As {@link writeNotices}. The same sources give the same bytes: no time, and a number made of the content. */
export function writeSbom(root, folders) {
  const { npm_execpath: npm } = process.env;
  const command = npm?.endsWith("js") ? [process.execPath, npm] : ["npm"];
  const args = [...command.slice(1), "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const { NODE_OPTIONS: _options, ...env } = process.env;
  const bom = JSON.parse(execFileSync(command[0], args, { cwd: root, env, maxBuffer: 1 << 26 }).toString());
  const bundled = new Set(
    folders.map((folder) => {
      const { name, version } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
      return `${name}@${version}`;
    }),
  );
  const { component } = bom.metadata;
  component.name = "klplink";
  bom.metadata = { lifecycles: [{ phase: "build" }], component };
  bom.components = bom.components
    .filter((c) => bundled.delete(`${c.name}@${c.version}`))
    // They are built in: nobody installs them beside it, and where they lay in a checkout says nothing.
    .map(({ properties: _properties, ...c }) => ({ ...c, scope: "required" }));
  if (bundled.size > 0) throw new Error(`npm sbom does not list ${[...bundled].join(", ")}`);
  const known = new Set([component["bom-ref"], ...bom.components.map((c) => c["bom-ref"])]);
  bom.dependencies = [{ ref: component["bom-ref"], dependsOn: bom.components.map((c) => c["bom-ref"]) }].concat(
    bom.dependencies
      .filter((d) => known.has(d.ref) && d.ref !== component["bom-ref"])
      .map((d) => ({ ref: d.ref, dependsOn: d.dependsOn.filter((ref) => known.has(ref)) })),
  );
  delete bom.serialNumber;
  const digest = createHash("sha256").update(JSON.stringify(bom)).digest("hex");
  const uuid = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
  writeFileSync(
    join(root, "dist/sbom.cdx.json"),
    `${JSON.stringify({ ...bom, serialNumber: `urn:uuid:${uuid}` }, null, 2)}\n`,
  );
}
