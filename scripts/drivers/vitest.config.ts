import { defineConfig } from "vitest/config";

// For the scripts of this folder, which say what is to be booted. No part of `npm test` or `npm run test:boot`.
export default defineConfig({
  test: { include: ["scripts/drivers/*.test.ts"], testTimeout: 900_000 },
});
