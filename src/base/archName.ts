/** Names of the architectures that klplink knows. Each table of what depends on the machine has a row for every one of them. */
export type ArchName = "ppc64le" | "arm64" | "x86_64";
