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

/** `KLP411` to `KLP509` of livepatch modules: broken/CODE.ko beside the vmlinux and the module that it is for. */
const KERNEL = ["-k", "../kernel/vmlinux-x86_64", "-m", "../kernel/demo-mod.ko"];
const DEMO = ["-m", "../kernel/demo-mod.ko"];
const broken = (code: Code): Sample => failing("check", `broken/${code}.ko`, ...KERNEL);
const PPC64LE = ["-k", "../kernel/vmlinux-ppc64le", "-m", "../kernel/demo-mod-ppc64le.ko"];
const brokenPpc64le = (code: Code): Sample => failing("check", `broken/${code}.ko`, ...PPC64LE);
const odd = (code: Code): Sample => good("check", `broken/${code}.ko`, ...KERNEL);
const compared = (code: Code): Sample =>
  failing("check", `broken/${code}.ko`, ...KERNEL, "--reference", `broken/${code}-reference.ko`);

/** `klplink image` and `klplink verify`: modules and captures in image/. */
const PARAMS = ["-k", "image/params.map", "--stage", "loaded"];
const VMLINUX = ["-k", "../kernel/vmlinux-x86_64"];
const image = (name: string, ...args: string[]): readonly string[] => [
  "image",
  `image/${name}`,
  ...args,
  "-o",
  "{out}",
];
/** Livepatches that use symbols of modules, in modules/. */
const using = (code: Code, ...args: string[]): readonly string[] => ["check", `modules/${code}.ko`, ...KERNEL, ...args];

export const samples: { readonly [C in Code]: Sample } = {
  KLP101: unusable("check", "modinfo.s"),
  KLP102: unusable("check", "truncated.o"),
  KLP103: failing("unknown-section.o", "-o", "{out}"),
  KLP104: unusable("check", "missing.ko"),
  KLP105: unusable("meminfo-debug.o", "-o", "no-such-folder/out.o"),
  KLP106: unusable("check", "../elf/bigendian.o"),
  KLP107: unusable("check", "../elf/stripped.o"),
  KLP108: good("signed.ko", "-o", "{out}"),
  KLP109: unusable("check", "modinfo.o", "-k", "modinfo.s"),
  KLP110: good("modinfo.ko.xz", "-o", "{out}"),
  KLP111: unusable("check", "modinfo.o", ...DEMO),
  KLP112: failing("check", "lto-x86_64.o"),
  KLP113: failing("check", "elfv1.o"),
  KLP114: good("check", "crc64.ko.xz"),
  KLP116: failing("removed.o", "-o", "{out}"),
  KLP201: failing("check", "got-arm64.o"),
  KLP202: failing("check", "outside.o"),
  KLP203: failing(...image("overflow.ko")),
  KLP204: failing(...image("not-zero.ko", ...VMLINUX)),
  KLP205: good(...image("far.ko", ...VMLINUX, "--at", "text=100000000000")),
  KLP206: failing("image", "modinfo.o", "-k", "one-global.map", "-o", "{out}"),
  KLP207: failing(...image("common.ko", ...VMLINUX)),
  KLP208: failing("image", "broken/KLP421.ko", ...VMLINUX, "-o", "{out}"),
  KLP209: good(...image("layout.ko", "--sections", "image/moved.sections")),
  KLP210: failing(...image("far.ko")),
  KLP211: failing(...image("large.ko")),
  KLP212: good(
    ...image("layout.ko", "--at", "text=ffffffffc0400000,rodata=ffffffffc0500000", "--kernel-version", "6.1"),
  ),
  KLP213: good(...image("percpu.ko", "--at", "text=ffffffffc0400000")),
  KLP214: failing(...image("uses.ko", ...VMLINUX, "-m", "image/helpers.ko")),
  KLP220: failing("verify", "image/far.ko", "--root", "image/capture"),
  KLP221: unusable("verify", "image/far.ko", "--root", "image/hidden"),
  KLP222: failing("verify", "image/built.ko", "--root", "image/rebuilt"),
  KLP223: unusable("verify", "image/data.ko", "--root", "image/functions", "-k", "image/other.map"),
  KLP224: failing("verify", "image/data.ko", "--root", "image/functions"),
  KLP225: good(...image("params.ko", ...PARAMS, "--param", "levle=7")),
  KLP226: failing(...image("params.ko", ...PARAMS, "--param", "ports=80,http")),
  KLP227: failing(...image("params.ko", ...PARAMS, "--patched-by", "image/patches-plain.ko")),
  KLP230: broken("KLP230"),
  KLP231: brokenPpc64le("KLP231"),
  KLP232: broken("KLP232"),
  KLP233: broken("KLP233"),
  KLP234: broken("KLP234"),
  KLP235: brokenPpc64le("KLP235"),
  KLP301: failing("check", "meminfo-debug.o"),
  KLP302: failing("check", "sibling-debug.o"),
  KLP303: failing("../rules/i12-jump-table.o", "-o", "{out}"),
  KLP304: failing("../rules/move-between.o", "-o", "{out}"),
  KLP305: failing("check", "../rules/i5-helpers.o"),
  KLP306: failing("../rules/i3-restored.o", "--kernel-version", "6.2", "-o", "{out}"),
  KLP307: good("../rules/i16-no-profile.o", "-o", "{out}"),
  KLP308: good("../rules/i15-setjmp.o", "-o", "{out}"),
  KLP309: good("klp-module.o", "--kernel-version", "6.1", "-o", "{out}"),
  KLP310: good("../rules/i8-no-frame.o", "-o", "{out}"),
  KLP311: good("../moved/split.o", "-o", "{out}"),
  KLP312: failing("../rules/epilogue.o", "--toc-restore", "epilogue", "-o", "{out}"),
  KLP313: failing("../rules/epilogue.o", "--toc-restore", "mini-frame", "-o", "{out}"),
  KLP314: failing("../rules/good.o", "--toc-restore", "shadow-stack", "-o", "{out}"),
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
  KLP411: broken("KLP411"),
  KLP412: broken("KLP412"),
  KLP413: broken("KLP413"),
  KLP414: broken("KLP414"),
  KLP415: broken("KLP415"),
  KLP416: broken("KLP416"),
  KLP417: broken("KLP417"),
  KLP418: broken("KLP418"),
  KLP419: broken("KLP419"),
  KLP420: broken("KLP420"),
  KLP421: broken("KLP421"),
  KLP422: failing("broken/KLP422.ko", "-o", "{out}"),
  KLP423: failing("broken/KLP423.ko", "-o", "{out}"),
  KLP424: failing(...using("KLP424", "-m", "modules/one.ko", "-m", "modules/two.ko")),
  KLP425: failing(...using("KLP425", "-m", "modules/one.ko")),
  KLP426: failing(...using("KLP426", "--sympos", "demo_mod:setup=2")),
  KLP427: odd("KLP427"),
  KLP428: broken("KLP428"),
  KLP429: odd("KLP429"),
  KLP430: broken("KLP430"),
  KLP431: brokenPpc64le("KLP431"),
  KLP432: broken("KLP432"),
  KLP433: broken("KLP433"),
  KLP434: brokenPpc64le("KLP434"),
  KLP435: broken("KLP435"),
  KLP436: broken("KLP436"),
  KLP437: broken("KLP437"),
  KLP438: odd("KLP438"),
  KLP439: failing("check", "../../golden/wreckage/objcopy-kpatch-x86_64.o"),
  KLP440: broken("KLP440"),
  KLP441: broken("KLP441"),
  KLP442: broken("KLP442"),
  KLP443: broken("KLP443"),
  KLP444: odd("KLP444"),
  KLP445: broken("KLP445"),
  KLP446: failing("check", "../../golden/wreckage/ld-kpatch-x86_64.o"),
  KLP447: failing("check", "../klp/open-x86_64.o", ...KERNEL),
  KLP448: broken("KLP448"),
  KLP449: broken("KLP449"),
  KLP450: odd("KLP450"),
  KLP451: failing("check", "modinfo.o", "-k", "exports.symvers"),
  KLP452: good("modinfo.o", "-k", "one-global.map", "--sympos", "show_val_bk=1", "-o", "{out}"),
  KLP453: broken("KLP453"),
  KLP454: broken("KLP454"),
  KLP455: broken("KLP455"),
  KLP456: failing("check", "modinfo.o", "-k", "no-livepatch.map"),
  KLP460: good("../klp/convert-2024-x86_64.o", "-o", "{out}"),
  KLP461: good("../klp/kpatch-x86_64.o", "-o", "{out}"),
  KLP464: failing("check", "modinfo.o", "-k", "other.symvers"),
  KLP470: good("check", "broken/KLP470.ko", "--kernel-version", "5.15.10"),
  KLP471: good("check", "broken/KLP471.ko", "--kernel-version", "6.13"),
  KLP501: good("modinfo.o", "-k", "../../../samples/ppc64le/meminfo/System.map", "-o", "{out}"),
  KLP502: broken("KLP502"),
  KLP503: broken("KLP503"),
  KLP504: broken("KLP504"),
  KLP505: broken("KLP505"),
  KLP506: broken("KLP506"),
  KLP507: broken("KLP507"),
  KLP508: compared("KLP508"),
  KLP509: compared("KLP509"),
  KLP510: failing(...using("KLP510")),
  KLP511: broken("KLP511"),
  KLP512: failing("check", "../klp/patch-x86_64.o", "-k", "two.map"),
  KLP513: failing("check", "broken/KLP513.ko", ...KERNEL, "--kernel-version", "7.2"),
  KLP514: odd("KLP514"),
  KLP601: unusable("model", "not-a-protocol.json"),
  KLP602: failing("../klp/patch-x86_64.o", "-k", "../kernel/vmlinux-x86_64-stray", ...DEMO, "-o", "{out}"),
  KLP603: good(
    "../klp/patch-ppc64le.o",
    "-k",
    "../kernel/vmlinux-ppc64le-stray",
    "-m",
    "../kernel/demo-mod-ppc64le.ko",
    "-o",
    "{out}",
  ),
};
