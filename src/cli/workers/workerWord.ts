/** The argument behind `check` that a worker of checkPool.ts is started with. */
export const WORKER = "--check-worker";
