// dist/klplink.cjs, the command line: parts, each of which a run loads when it first needs one of its names (bin/parts.js).
// The file begins with a line `/*DIGEST*//*{"PART":[offset,length,lines above],...}*/`; then each part, a function.
//
// Within a part modules share one scope, as in any bundle. Of the parts that all others need (EAGER) names are taken once; of the rest
// each use asks for the part, so that what a run does not come to is neither read nor compiled.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { build, transform } from "esbuild";
import { rollup } from "rollup";

const ENTRY = "src/cli/process.ts";
/** Parts that other ones take names of when they begin: they themselves may begin with nothing but one another, in this order. */
const EAGER = ["start", "check"];

/** Modules of Node that few runs need, with what is used of them: loaded when that is called. */
const LATE = {
  "node:zlib": ["deflateSync", "gunzipSync", "inflateSync"],
  "node:child_process": ["execFileSync", "spawn", "spawnSync"],
  "node:crypto": ["createHash"],
  "node:os": ["availableParallelism", "homedir", "release"],
  "node:v8": ["setFlagsFromString"],
};
const lateNames = (path, way) => LATE[path].map((f) => `${way(f)}(...a) => late("${path}").${f}(...a);`).join("\n");

/** The same within a package. */
const lateBuiltins = {
  name: "late",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^node:/ }, ({ path }) => (path in LATE ? { path, namespace: "late" } : null));
    onLoad({ filter: /./, namespace: "late" }, ({ path }) => ({ contents: lateNames(path, (f) => `exports.${f} = `) }));
  },
};

/** What few runs need and nothing else shares stays a file of its own. */
export const APART = ["ora", "xz-decompress", "zstddec/stream", "seek-bzip", "klplink:examples"];
/** Where those are, from dist/. */
export const fileApart = (name) => `./apart/${name.replace(/^.*:/, "").replace("/", "-")}.cjs`;

/** Packages that are a part of the bundle, each one module. */
const PACKAGES = { chalk: `export * from "chalk";`, commander: `export * from "commander";` };

function modules(root, define, note) {
  return {
    name: "modules",
    resolveId(id, importer) {
      if (APART.includes(id)) return { id: fileApart(id), external: true };
      if (id === "@alexaltea/capstone-js") return join(root, "scripts/capstone/bundled.mjs");
      if (id in PACKAGES) return `\0package:${id}`;
      if (id in LATE) return `\0late:${id}`;
      if (id.startsWith("node:")) return { id, external: true };
      if (importer === undefined) return id;
      if (id.startsWith(".")) return join(dirname(importer), id);
      throw new Error(`${importer}: ${id} is neither a part of the bundle nor a file of its own`);
    },
    // import("node:…") is late anyway.
    resolveDynamicImport: (id) => (typeof id === "string" && id.startsWith("node:") ? { id, external: true } : null),
    async load(id) {
      if (id.startsWith("\0late:")) return lateNames(id.slice(6), (f) => `export const ${f} = `);
      if (id.startsWith("\0package:")) {
        const name = id.slice(9);
        const built = await build({
          absWorkingDir: root,
          stdin: { contents: PACKAGES[name], resolveDir: root },
          bundle: true,
          format: "esm",
          platform: "node",
          target: "node20",
          write: false,
          metafile: true,
          plugins: [lateBuiltins],
        });
        note(built);
        return built.outputFiles[0].text;
      }
      const source = readFileSync(id, "utf8");
      note({ metafile: { inputs: { [relative(root, id).replaceAll(sep, "/")]: {} } } });
      return (await transform(source, { loader: "ts", target: "node20", define })).code;
    },
  };
}

/** What only runs that say something need. */
const isText = (path) => /^src\/diag\/(?:codes\/.*|definitions|symbolCauses)\.ts$/.test(path);

/** The name of a part that holds one module. */
export const partOfOne = (path) => path.slice("src/".length, -".ts".length).replace(/\W/g, "_");

/**
 * Which part a module stands in: of those that the command line begins with, `start`; then as learned, or by folder.
 * @param learned parts by path (scripts/parts.json) @param isLearning each module that is not in `start` is a part of its own
 */
function partsOf(root, learned, isLearning) {
  const folder = (path) => dirname(path).slice("src/".length).replaceAll("/", "_");
  let start = null;
  function startOf(getModuleInfo) {
    const found = new Set([join(root, ENTRY)]);
    for (const id of found) {
      for (const next of getModuleInfo(id).importedIds) if (!isText(pathOf(next))) found.add(next);
    }
    return found;
  }
  const pathOf = (id) => relative(root, id).replaceAll(sep, "/");
  return (id, { getModuleInfo }) => {
    start ??= startOf(getModuleInfo);
    if (start.has(id) || id.startsWith("\0late:")) return "start";
    if (id.startsWith("\0package:")) return id.slice("\0package:".length);
    const path = pathOf(id);
    if (path.startsWith("src/base/")) return "start";
    if (path.startsWith("scripts/capstone/")) return "capstone";
    if (isText(path)) return "texts";
    // What needs a file that stays apart may be asked for where that is missing.
    const isAlone = getModuleInfo(id).importedIds.some((next) => next.startsWith("./"));
    if (isLearning || isAlone) return partOfOne(path);
    if (path in learned) return learned[path];
    // A run is one command.
    return path.startsWith("src/cli/commands/") ? partOfOne(path) : folder(path);
  };
}

const VARIABLE = "klplinkPart_";

/** A part as rollup made it, with `need`, which returns what a part exports. @param eager parts that are there when this one begins */
function linked(name, code, eager) {
  let body = code.replace(/^'use strict';\n/, "");
  const imports = [...body.matchAll(/^const (\w+) = require\('\.\/(\w+)\.cjs'\);\n/gm)];
  let head = "";
  for (const [line] of imports) body = body.replace(line, "");
  // import() of a module in another part.
  body = body.replace(/require\('\.\/(\w+)\.cjs'\)/g, (_, id) => `need("${id.slice(VARIABLE.length)}")`);
  for (const [line, variable, id] of imports) {
    if (variable !== id || !id.startsWith(VARIABLE)) throw new Error(`the part ${name} begins with ${line}`);
    const part = id.slice(VARIABLE.length);
    const uses = new RegExp(`(?<![\\w$])${variable}\\.([\\w$]+)`, "g");
    if (eager.includes(part)) {
      const names = new Set();
      body = body.replace(uses, (_, used) => {
        names.add(used);
        return `${variable}_${used}`;
      });
      head += `const { ${[...names].map((used) => `${used}: ${variable}_${used}`).join(", ")} } = need("${part}");\n`;
    } else {
      body = body.replace(uses, `(${variable}().$1)`);
      head += `let ${variable}_; const ${variable} = () => ${variable}_ ??= need("${part}");\n`;
    }
    const whole = new RegExp(`(?<![\\w$])${variable}(?![\\w$]|\\(\\))`);
    if (whole.test(body)) throw new Error(`the part ${name} uses ${part} as a whole`);
  }
  // As one object: a property after the other takes V8 longer.
  const exported = [];
  body = body.replace(/^exports\.([\w$]+) = ([\w$]+);\n/gm, (_, to, from) => {
    exported.push(to === from ? to : `${to}:${from}`);
    return "";
  });
  if (/^(?:module\.)?exports\b/m.test(body)) throw new Error(`the part ${name} exports something in another way`);
  return { body: head + body, exported: `{${exported.join(",")}}` };
}

/**
 * Writes the bundle.
 * @param define as esbuild's @param note takes metafiles that name what went in
 * @param isLearning each module is a part of its own
 */
export async function buildBundle({ root, outfile, define = {}, note = () => {}, isLearning = false }) {
  const { parts } = JSON.parse(readFileSync(join(root, "scripts/parts.json"), "utf8"));
  const learned = Object.fromEntries(
    Object.entries(parts).flatMap(([part, paths]) => paths.map((path) => [path, part])),
  );
  const partOf = partsOf(root, learned, isLearning);
  const bundle = await rollup({
    input: join(root, ENTRY),
    plugins: [modules(root, { ...define, "import.meta.url": "__klplinkUrl" }, note)],
    // Nothing is exported that is not used (test/tidy.test.ts): looking for more takes as long as all else.
    treeshake: false,
    preserveEntrySignatures: false,
    onwarn: (warning) => {
      if (!["CIRCULAR_CHUNK", "CIRCULAR_DEPENDENCY"].includes(warning.code)) throw new Error(warning.message);
    },
  });
  const { output } = await bundle.generate({
    format: "cjs",
    entryFileNames: `${VARIABLE}start.cjs`,
    chunkFileNames: "[name].cjs",
    interop: "default",
    esModule: false,
    externalLiveBindings: false,
    generatedCode: { preset: "es2015", symbols: false },
    hoistTransitiveImports: false,
    // A script has no loader of modules.
    dynamicImportInCjs: false,
    manualChunks: (id, graph) => VARIABLE + partOf(id, graph),
  });
  await bundle.close();
  const made = await Promise.all(
    output.map(async ({ fileName, code }) => {
      const name = fileName.slice(VARIABLE.length, -".cjs".length);
      const eager = EAGER.slice(0, EAGER.indexOf(name) >>> 0);
      const form = { minifySyntax: true, minifyWhitespace: true, charset: "ascii", target: "node20" };
      const { body, exported } = linked(name, code, eager);
      const made = await transform(body, form);
      return { name, body: `"use strict";${made.code}return${exported}` };
    }),
  );
  // What each run reads stands in front.
  const rank = ({ name }) => EAGER.indexOf(name) >>> 0;
  made.sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  writeBundle(outfile, made);
}

/** Writes parts as one file. @param parts their names and what each does, as the body of a function */
function writeBundle(outfile, parts) {
  const texts = parts.map(({ body }) => `(function(need,require,late,__klplinkUrl){${body}})\n`);
  const all = texts.join("");
  // Read as Latin-1. esbuild leaves them in literals of regular expressions.
  const other = /.{0,40}[^\0-\x7f].{0,20}/.exec(all);
  if (other !== null) throw new Error(`not ASCII, write it as \\u: ${other[0]}`);
  const rows = (head) => {
    const index = {};
    let [offset, lines] = [head, 1];
    for (const [i, { name }] of parts.entries()) {
      index[name] = [offset, texts[i].length, lines];
      offset += texts[i].length;
      lines += texts[i].split("\n").length - 1;
    }
    return JSON.stringify(index);
  };
  const digest = createHash("sha256").update(rows(0)).update(all).digest("hex").slice(0, 16);
  const text = (head) => `/*${digest}*//*${rows(head)}*/\n`;
  // Offsets are no longer than they are where the parts begin at a power of two.
  let head = 1024;
  while (text(head).length > head) head *= 2;
  writeFileSync(
    outfile,
    `${text(head)
      .slice(0, -1)
      .padEnd(head - 1)}\n${all}`,
  );
}
