import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { viteExamples } from "./scripts/examples.mjs";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

/** Tests of vitest.boot.config.ts. */
const ELSEWHERE = ["test/boot/**", "test/user/**", "test/tools/**", "node_modules/**"];
/** Tests that replace modules. */
const MOCKING = readdirSync(new URL("test", import.meta.url), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".test.ts"))
  .map((path) => `test/${path}`)
  .filter((path) => readFileSync(new URL(path, import.meta.url), "utf8").includes("vi.mock("));
/** What takes longest begins first, so that no processor is left with it in the end. */
const LONG = [
  "fuzz/targets",
  "elf/writer",
  "fuzz/large",
  "ftrace/model/explore",
  "cli/commands/verify",
  "diag/samples",
];
const rank = ({ moduleId }: TestSpecification): number => {
  const at = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return at < 0 ? LONG.length : at;
};

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  plugins: [viteExamples],
  define: { KLPLINK_VERSION: JSON.stringify(version), KLPLINK_BUILD: JSON.stringify("test") },
  test: {
    testTimeout: 300_000,
    // Some build first.
    hookTimeout: 300_000,
    // What runs keep for the next ones stays out of the user's cache folder.
    env: { XDG_CACHE_HOME: fileURLToPath(new URL("node_modules/.cache/klplink-test", import.meta.url)) },
    // Processes, since a run of the command line may have a working folder of its own.
    pool: "forks",
    // Files share their modules, but for those that put others in their place (vi.mock).
    projects: [
      {
        extends: true,
        test: { name: "shared", isolate: false, include: ["test/**/*.test.ts"], exclude: [...ELSEWHERE, ...MOCKING] },
      },
      { extends: true, test: { name: "mocking", isolate: true, include: MOCKING } },
    ],
    sequence: { sequencer: LongestFirst },
    // Vitest would leave one processor alone.
    maxWorkers: availableParallelism(),
  },
});
