// x86_64 kernels that really do something against weaknesses of their CPU: which CPU and parameters make Debian's kernels do
// it, and what that makes of a module's returns, indirect branches and calls. FineIBT is not among them: it needs a kernel
// that clang built with CONFIG_CFI, which Debian has not.

import type { X86State } from "../../src/passes/image/image.ts";
import type { ReadMemory } from "./capture.ts";

export interface Mitigated {
  readonly name: string;
  readonly cpu: string;
  readonly parameters: string;
  readonly state: X86State;
  /** Files of /sys/devices/system/cpu/vulnerabilities, and what each must tell. */
  readonly says: Readonly<Record<string, string>>;
}

const retpoline = { indirect: "retpoline", calls: "plain", locks: "smp" } as const;
const RETPOLINES = "Mitigation: Retpolines;";

export const mitigatedKernels: readonly (Mitigated & { readonly series: "6.1" | "6.12" | "7.2" })[] = [
  ...(["6.12", "7.2"] as const).map((series) => ({
    series,
    name: "call depth tracking",
    cpu: "Skylake-Server-v1",
    parameters: "retbleed=stuff",
    state: { returns: "call_depth_return_thunk", indirect: "depth", calls: "depth", locks: "smp" } as const,
    says: { retbleed: "Mitigation: Stuffing", spectre_v2: RETPOLINES },
  })),
  {
    series: "6.12",
    name: "safe return",
    cpu: "EPYC-v1",
    parameters: "",
    state: { returns: "srso_return_thunk", ...retpoline },
    says: { spec_rstack_overflow: "Safe RET", spectre_v2: RETPOLINES },
  },
  {
    series: "6.1",
    name: "safe return by alias",
    cpu: "EPYC-Milan-v1",
    parameters: "",
    state: { returns: "srso_alias_return_thunk", ...retpoline },
    says: { spec_rstack_overflow: "afe RET", spectre_v2: RETPOLINES },
  },
  {
    series: "6.12",
    name: "untrained return, fenced branches",
    cpu: "EPYC-v1",
    parameters: "spec_rstack_overflow=off spectre_v2=retpoline,lfence",
    state: { returns: "retbleed_return_thunk", indirect: "lfence", calls: "plain", locks: "smp" },
    says: { retbleed: "Mitigation: untrained return thunk", spectre_v2: "LFENCE", spec_rstack_overflow: "Vulnerable" },
  },
  {
    series: "6.1",
    name: "aligned returns",
    cpu: "Skylake-Server-v1",
    parameters: "",
    state: { returns: "its_return_thunk", ...retpoline },
    says: { indirect_target_selection: "Mitigation: Aligned branch/return thunks", spectre_v2: RETPOLINES },
  },
  {
    // The CPU's own protection, so that indirect branches are plain. QEMU has none; the kernel is told that there is.
    series: "7.2",
    name: "aligned returns and branches",
    cpu: "Skylake-Server-v1",
    parameters: "setcpuid=ibrs,ibrs_enhanced spectre_v2=eibrs",
    state: { returns: "its_return_thunk", indirect: "its", calls: "plain", locks: "smp" },
    says: {
      indirect_target_selection: "Mitigation: Aligned branch/return thunks",
      spectre_v2: "Mitigation: Enhanced / Automatic IBRS",
    },
  },
];

/** Name of the thunk that the kernel's variable x86_return_thunk points at. */
export async function returnThunkOf(kallsyms: string, memory: ReadMemory): Promise<string | null> {
  const lines = kallsyms.split("\n").map((line) => line.split(/\s+/));
  const variable = lines.find(([, , name]) => name === "x86_return_thunk")?.[0];
  if (variable === undefined) return null;
  const value = (await memory(BigInt(`0x${variable}`), 8)).readBigUInt64LE(0);
  const found = lines.find(
    ([address, , name]) => /_return_thunk$/.test(name ?? "") && BigInt(`0x${address}`) === value,
  );
  return found?.[2] ?? null;
}
