// What scripts/docs.mjs needs of the sources, in one bundle.

export { referenceOf } from "./markdown.ts";
