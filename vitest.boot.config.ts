import { defineConfig } from "vitest/config";
import { viteExamples } from "./scripts/examples.mjs";

// Real kernels under emulation, two at a time (each runs on one CPU of the host) and each well under its own limit; programs under
// user-mode emulation; binutils and LLVM.
export default defineConfig({
  plugins: [viteExamples],
  define: { KLPLINK_VERSION: JSON.stringify("test"), KLPLINK_BUILD: JSON.stringify("test") },
  test: {
    include: ["test/boot/**/*.test.ts", "test/user/**/*.test.ts", "test/tools/**/*.test.ts"],
    globalSetup: ["test/built.ts", "test/boot/setup.ts"],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    maxWorkers: 2,
  },
});
