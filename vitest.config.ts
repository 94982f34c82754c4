import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { KLPLINK_VERSION: JSON.stringify("test") },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/boot/**", "test/user/**", "test/tools/**", "node_modules/**"],
    testTimeout: 300_000,
  },
});
