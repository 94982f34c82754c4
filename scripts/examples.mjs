// The examples of `klplink explain CODE`: a command and what it shows, by code, from test/diag/expected. Sources import them as
// the module `klplink:examples`, which the plugins below make.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "..", "test/diag/expected");

/** Who reads the story needs no pointer to it. */
const withoutPointer = (text) => text.replace(/^the whole story: .*\n/m, "");

/** Example by code, in the order of the codes. */
export function readExamples() {
  const names = readdirSync(folder).filter((name) => /^KLP\d+\.txt$/.test(name));
  return new Map(
    names.sort().map((name) => [name.slice(0, -4), withoutPointer(readFileSync(join(folder, name), "utf8"))]),
  );
}

const ID = "klplink:examples";
const moduleText = () => {
  const table = Object.fromEntries([...readExamples()].map(([code, text]) => [code, text.trimEnd()]));
  return `export const examples = ${JSON.stringify(table)};\n`;
};

/** For esbuild. */
export const examplesPlugin = {
  name: "examples",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^klplink:examples$/ }, () => ({ path: ID, namespace: "examples" }));
    onLoad({ filter: /.*/, namespace: "examples" }, () => ({ contents: moduleText(), loader: "js" }));
  },
};

/** For Vitest. */
export const viteExamples = {
  name: "examples",
  enforce: "pre",
  resolveId: (id) => (id === ID ? `\0${ID}` : undefined),
  load: (id) => (id === `\0${ID}` ? moduleText() : undefined),
};
