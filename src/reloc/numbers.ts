// Numbers of the relocation types that code names: each is defined once, in its architecture's table.

export * from "./numbers/arm64.ts";
export * from "./numbers/ppc64le.ts";
export * from "./numbers/x86_64.ts";
