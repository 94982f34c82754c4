/** Made by the build from test/diag/expected: scripts/examples.mjs. */
declare module "klplink:examples" {
  /** A command and what it shows, by code. */
  export const examples: Readonly<Record<string, string>>;
}
