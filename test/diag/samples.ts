// For each diagnostic an input that triggers it: the arguments of one run in test/fixtures/diag.

import type { Code } from "../../src/diag/catalogue.ts";

export interface Sample {
  /** `{out}` stands for a path in a temporary folder. */
  readonly args: readonly string[];
  readonly status: 0 | 1 | 2 | 3;
}

const failing = (...args: string[]): Sample => ({ args, status: 1 });
const good = (...args: string[]): Sample => ({ args, status: 0 });
const unusable = (...args: string[]): Sample => ({ args, status: 3 });

export const samples: { readonly [C in Code]?: Sample } = {
  KLP101: unusable("check", "modinfo.s"),
  KLP102: unusable("check", "truncated.o"),
  KLP103: failing("unknown-section.o", "-o", "{out}"),
  KLP104: unusable("check", "missing.ko"),
  KLP105: unusable("meminfo-debug.o", "-o", "no-such-folder/out.o"),
  KLP106: unusable("check", "../elf/bigendian.o"),
  KLP107: unusable("check", "../elf/stripped.o"),
  KLP108: good("signed.ko", "-o", "{out}"),
  KLP109: unusable("check", "modinfo.o", "-k", "modinfo.s"),
  KLP201: failing("check", "got-arm64.o"),
  KLP202: failing("check", "outside.o"),
  KLP301: failing("check", "meminfo-debug.o"),
  KLP302: failing("check", "sibling-debug.o"),
  KLP303: failing("../rules/i12-jump-table.o", "-o", "{out}"),
  KLP304: failing("../rules/i9-layout.o", "-o", "{out}"),
  KLP305: failing("../rules/i5-helpers.o", "-o", "{out}"),
  KLP306: failing("../rules/i3-restored.o", "--kernel-version", "6.2", "-o", "{out}"),
  KLP307: good("../rules/i16-no-profile.o", "-o", "{out}"),
  KLP308: good("../rules/i15-setjmp.o", "-o", "{out}"),
  KLP309: good("klp-module.o", "--kernel-version", "6.1", "-o", "{out}"),
  KLP310: good("../rules/i8-no-frame.o", "-o", "{out}"),
  KLP401: failing("check", "modinfo.o", "-k", "misspelled.map"),
  KLP402: failing("check", "modinfo.o", "-k", "two.map"),
  KLP403: failing("check", "modinfo.o", "-k", "in-module.kallsyms"),
  KLP404: failing("check", "modinfo.o", "-k", "no-exports.map"),
  KLP405: good("modinfo.o", "-k", "one-global.map", "-o", "{out}"),
  KLP406: failing("check", "modinfo.o", "-k", "two.map", "--sympos", "show_val_kb=3"),
  KLP407: failing("long-name.o", "-k", "long-name.map", "-o", "{out}"),
  KLP408: failing("check", "klp-undefined.o"),
  KLP409: failing("check", "klp-names.o"),
  KLP410: failing("check", "modinfo.o", "-k", "../../../samples/ppc64le/meminfo/System.map"),
  KLP501: good("modinfo.o", "-k", "../../../samples/ppc64le/meminfo/System.map", "-o", "{out}"),
};

/** Codes without a sample of this kind yet: gaps to close. Their own tests trigger them. */
export const withoutSample: readonly RegExp[] = [
  /^KLP20[3-9]$/,
  /^KLP21\d$/,
  /^KLP311$/,
  /^KLP41[1-9]$/,
  /^KLP4[2-4]\d$/,
  /^KLP50[2-9]$/,
  /^KLP6\d\d$/,
  /^KLP22\d$/,
];
