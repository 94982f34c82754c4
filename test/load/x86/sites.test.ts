// Returns, branches and calls as --x86 says. The bytes are GNU as's for the instructions beside them; that kernels write these is
// shown by test/boot/distro.test.ts on Debian's kernels (test/boot/mitigations.ts).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { x86_64 } from "../../../src/arch/x86_64.ts";
import { x86State } from "../../../src/cli/arguments.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { hasFact } from "../../../src/kernel/versionFacts.ts";
import type { RewriteFacts, X86State } from "../../../src/load/facts.ts";
import { type ImageSection, LoadedMemory } from "../../../src/load/memory.ts";
import { x86Sites } from "../../../src/load/x86/sites.ts";
import { mitigatedKernels } from "../../boot/mitigations.ts";
import { root } from "../../helpers.ts";
import { goldenCaptures } from "../../passes/image/captured.ts";

const TEXT = 0xffff_ffff_c000_0000n;
const addresses = new Map([
  ["call_depth_return_thunk", TEXT + 0x1000n],
  ["its_return_thunk", TEXT + 0x1000n],
  ["__x86_indirect_thunk_rax", TEXT + 0x2000n],
  ["__x86_indirect_call_thunk_rax", TEXT + 0x3000n],
  ["pcpu_hot", 0x3_5c40n],
]);

/** `code` at 0x10 of .text, with nops before it and behind it, and one site in it. */
function rewritten(
  code: string,
  table: string,
  state: Partial<X86State>,
  site = 0x10,
): { text: string; marked: string[] } {
  const section = (index: number, name: string, address: bigint, bytes: Uint8Array): ImageSection => ({
    ...{ index, name, address, bytes, flags: 6, alignment: 16, nobits: false },
  });
  const text = new Uint8Array(0x40).fill(0x90);
  text.set(Buffer.from(code, "hex"), site);
  const sites = new Uint8Array(4);
  const at = TEXT + 0x800n;
  new DataView(sites.buffer).setInt32(0, Number(TEXT + BigInt(site) - at), true);
  const memory = new LoadedMemory([section(1, ".text", TEXT, text), section(2, table, at, sites)], true);
  const file = readElf(goldenCaptures()[0]?.module ?? new Uint8Array());
  const facts: RewriteFacts = {
    arch: x86_64,
    file,
    version: { major: 6, minor: 12 },
    has: (fact) => hasFact({ major: 6, minor: 12 }, fact),
    hasFtrace: true,
    running: false,
    x86: { returns: "plain", indirect: "plain", calls: "plain", locks: "smp", ...state },
    isInit: () => false,
    kernelSymbol: (name) => addresses.get(name) ?? null,
    nameOf: (address) => [...addresses].find(([, a]) => a === address)?.[0] ?? null,
    parameters: [],
    patched: [],
    refused: () => {},
    outOfLine: null,
  };
  x86Sites(memory, facts);
  const marked = memory.unknown.map((u) => `${u.start.toString(16)}-${u.end.toString(16)}`);
  return { text: Buffer.from(text).toString("hex"), marked };
}
const from = (text: string, at: number, size: number): string => text.slice(at * 2, (at + size) * 2);

describe("returns", () => {
  // jmp __x86_return_thunk
  const jump = "e900000000";
  test("through a thunk", () => {
    const { text } = rewritten(jump, ".return_sites", { returns: "call_depth_return_thunk" });
    // jmp +0xfeb: 0x1000 - 0x15
    expect(from(text, 0x10, 5)).toBe("e9eb0f0000");
  });
  test("aligned: a thunk in the lower half of a cache line, plain in the upper", () => {
    const its = { returns: "its_return_thunk" };
    expect(from(rewritten(jump, ".return_sites", its, 0x1f).text, 0x1f, 5)).toBe("e9dc0f0000");
    expect(from(rewritten(jump, ".return_sites", its, 0x20).text, 0x20, 5)).toBe("c3cccccccc");
  });
  test("unknown where the thunk's address is", () => {
    expect(rewritten(jump, ".return_sites", { returns: "srso_return_thunk" }).marked).toEqual(["10-15"]);
  });
});

describe("indirect branches", () => {
  // call __x86_indirect_thunk_rax: 0x2000 - 0x15
  const call = "e8eb1f0000";
  test("through thunks that count calls", () => {
    const { text } = rewritten(call, ".retpoline_sites", { indirect: "depth" });
    expect(from(text, 0x10, 5)).toBe("e8eb2f0000");
  });
  test("aligned: through a thunk that is allocated, in the lower half of a cache line", () => {
    expect(rewritten(call, ".retpoline_sites", { indirect: "its" }).marked).toEqual(["11-15"]);
    // call *%rax, and a nop of three bytes; its last byte is at 0x20
    const { text, marked } = rewritten("e8dc1f0000", ".retpoline_sites", { indirect: "its" }, 0x1f);
    expect([from(text, 0x1f, 5), marked]).toEqual(["ffd00f1f00", []]);
  });
});

describe("calls under call depth tracking", () => {
  const depth = { calls: "depth" } as const;
  test("of the module's own function: the nops before it count", () => {
    // call 0x30, from 0x10
    const { text, marked } = rewritten("e81b000000", ".call_sites", depth);
    expect(from(text, 0x10, 5)).toBe("e812000000"); // call 0x27
    // sarq $5, %gs:0x35c50(%rip), whose next instruction is at TEXT + 0x30: 0x35c50 - 0xffffffffc0000030
    expect(from(text, 0x27, 9)).toBe("6548c13d205c034005");
    expect(marked).toEqual([]);
  });
  test("of a function without nops before it: left", () => {
    // call 0x12: the call itself stands before it
    expect(from(rewritten("e8fdffffff", ".call_sites", depth).text, 0x10, 5)).toBe("e8fdffffff");
  });
  test("of a function of the kernel: nine bytes before it", () => {
    expect(from(rewritten("e8eb0f0000", ".call_sites", depth).text, 0x10, 5)).toBe("e8e20f0000");
  });
});

test("docs/x86.md has what was tried, as --x86 takes it", () => {
  const page = readFileSync(join(root, "docs/x86.md"), "utf8");
  const told = [...page.matchAll(/\| `([\w=,]+)` \|$/gm)].map((m) => JSON.stringify(x86State(m[1] ?? "")));
  const form = ({ returns, indirect, calls, locks }: X86State): string =>
    JSON.stringify({ returns, indirect, calls, locks });
  const plain = form({ returns: "plain", indirect: "plain", calls: "plain", locks: "smp" });
  expect(new Set(told)).toEqual(new Set([plain, ...mitigatedKernels.map((k) => form(k.state))]));
});
