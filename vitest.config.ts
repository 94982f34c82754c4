import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")) as { version: string };

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
    // Vitest would leave one processor alone.
    maxWorkers: availableParallelism(),
  },
});
