import { defineConfig } from "vitest/config";
export default defineConfig({ define: { KLPLINK_VERSION: JSON.stringify("test") }, test: { include: ["test/kernel/image.test.ts","test/kernel/distro.test.ts","test/kernel/refusals.test.ts","test/tools/**/*.test.ts","test/kernel/live.test.ts"], globalSetup: ["test/kernel/setup.ts"], testTimeout: 300_000, fileParallelism: false } });
