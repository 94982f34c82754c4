import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

/** What takes longest begins first, so that no processor is left with it in the end. */
const LONG = ["fuzz/fuzz", "elf/writer", "fuzz/large", "ftrace/model/explore", "cli/commands/verify", "diag/samples"];
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
  define: { KLPLINK_VERSION: JSON.stringify(version) },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/boot/**", "test/user/**", "test/tools/**", "node_modules/**"],
    testTimeout: 300_000,
    // Processes, since a run of the command line may have a working folder of its own. Files share their modules: no
    // test changes what others import.
    pool: "forks",
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Vitest would leave one processor alone.
    maxWorkers: availableParallelism(),
  },
});
