// What code for Node takes for granted, for a browser.
export { Buffer } from "buffer/";
export const process = {
  env: {},
  platform: "browser",
  versions: { v8: "" },
  cwd: () => "/",
  nextTick: (f, ...given) => queueMicrotask(() => f(...given)),
};
