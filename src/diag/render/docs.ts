// What scripts/docs.mjs needs of the sources, in one bundle.

export { codes } from "../catalogue.ts";
export { referenceOf } from "./markdown.ts";
