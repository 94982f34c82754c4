// Node.js's Buffer, where there is none: esbuild puts it in front of each file that uses it.
export { Buffer } from "buffer/";
