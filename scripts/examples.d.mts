export function readExamples(): ReadonlyMap<string, string>;
export const examplesPlugin: import("esbuild").Plugin;
export const viteExamples: {
  readonly name: string;
  readonly enforce: "pre";
  readonly resolveId: (id: string) => string | undefined;
  readonly load: (id: string) => string | undefined;
};
