/** Builds the page. @returns the files that went into it, as esbuild names them */
export function buildPage(root: string, version: string, output?: string): Promise<string[]>;
