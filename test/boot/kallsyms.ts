// The symbols of a distribution's kernel, whose packages hold no System.map: the kernel itself is asked.

import { gunzipSync } from "node:zlib";
import { bootShell } from "./shell.ts";

/** /proc/kallsyms of a kernel, as its root reads it. */
export async function kallsyms(kernel: string, folder: string): Promise<Uint8Array> {
  const console = await bootShell({
    arch: "x86_64",
    kernel,
    folder,
    files: [],
    script: 'echo "@@ begin"\ngzip </proc/kallsyms | base64\necho "@@ done"',
  });
  return gunzipSync(sent(console));
}

/** What a guest's script sent as text between its marks. */
export function sent(console: string): Uint8Array {
  const text = /@@ begin\n([\w+/=\n]+)@@ done/.exec(console)?.[1];
  if (text === undefined) throw new Error(`nothing was sent:\n${console.slice(-2000)}`);
  return Buffer.from(text, "base64");
}
