// What parts of the kernel beside the loader print that end a module's load, or its first steps: BTF (kernel/bpf/btf.c),
// control flow protection (arch/x86/kernel/traps.c, cet.c, kernel/cfi.c), code patching (arch/x86/kernel/jump_label.c,
// alternative.c, cpu/bugs.c), memory (mm/vmalloc.c), signatures (crypto/asymmetric_keys, certs), LoadPin and IMA.

import { type Message, NEW_KERNEL_FLAGS, ofModule, SAME_BUILD, sentence } from "./define.ts";

const BTF =
  "the module was built against another vmlinux than the one that runs: the types of a module's .BTF section are counted on from those of vmlinux, so both must come from one build";
const BTF_WAYS =
  "build the module against the vmlinux of exactly this kernel, or install kernel and modules of one build together; `strip -R .BTF MODULE.ko` (or a build without CONFIG_DEBUG_INFO_BTF_MODULES) leaves the types out, and the module loads without them; a kernel with CONFIG_MODULE_ALLOW_BTF_MISMATCH takes it as it is";

export const besideMessages: readonly Message[] = [
  {
    forms: ["failed to validate module [{module}] BTF: {errno}"],
    by: "kernel",
    concerns: "file",
    kernels: "from 5.11",
    meaning: (f) =>
      `The types (BTF) of ${f.module ?? "the module"} do not fit the kernel's, and without CONFIG_MODULE_ALLOW_BTF_MISMATCH that ends the load with this error: ${BTF}. The lines \`BPF:\` before it name the first type that does not fit. A taint line beside it is not the reason.`,
    help: () => BTF_WAYS,
  },
  {
    forms: [
      "failed to register module [{module}] BTF in sysfs: {errno}",
      "failed to create module [{module}] BTF in sysfs: {errno}",
    ],
    by: "kernel",
    concerns: "machine",
    meaning: () =>
      "The module's types are sound, but could not be shown in /sys/kernel/btf: memory is short, or the name is there.",
    help: () => "look for out-of-memory messages before it",
  },
  {
    forms: ["Kernel module BTF mismatch detected, BTF debug info may be unavailable for some modules"],
    by: "kernel",
    concerns: "file",
    meaning: () => `A notice: the module loads, without its types (BTF), as ${BTF}.`,
    help: () => BTF_WAYS,
  },
  {
    forms: [
      "missing module BTF, cannot register kfuncs",
      "missing vmlinux BTF, cannot register kfuncs",
      "missing module BTF, cannot register dtor kfuncs",
      "missing vmlinux BTF, cannot register dtor kfuncs",
    ],
    by: "kernel",
    concerns: "file",
    meaning: () =>
      "The module offers functions to BPF programs, for which its types (the section .BTF) must be there, and are not.",
    help: () =>
      "build it with CONFIG_DEBUG_INFO_BTF_MODULES and with vmlinux beside the headers (kbuild says `Skipping BTF generation … due to unavailability of vmlinux` otherwise)",
  },
  {
    forms: [
      "BPF:[{number}] {text}",
      "BPF: [{number}] {text}",
      "BPF:{text}type_id={text}",
      "BPF:{text}size={text}",
      "BPF:{text}Invalid {text}",
      "BPF: {text}",
      "BPF:{text}",
    ],
    by: "kernel",
    concerns: "file",
    meaning: () =>
      "A part of the report about the types (BTF) of a module or a BPF program: the type that does not fit, and why. The line `failed to validate module [NAME] BTF` behind it names the module.",
    help: () => `if it is a module's: ${BTF_WAYS}`,
  },
  {
    forms: ["Missing ENDBR: {address}", "Unexpected #CP(0x{value}) at {address}", "Unexpected #CP"],
    by: "kernel",
    concerns: ofModule,
    arch: "x86_64",
    kernels: "from 5.18",
    meaning: (f) =>
      `An indirect call or jump${f.address === undefined ? "" : ` went to ${f.address}, which`} does not begin with ENDBR, and the kernel enforces indirect branch tracking (CONFIG_X86_KERNEL_IBT): a control protection fault. The function was compiled without -fcf-protection=branch, is assembly without ENDBR, or objtool did not see it; proprietary objects that were linked in are the usual case.`,
    help: () =>
      "compile with the kernel's own flags (-fcf-protection=branch among them), through its build system, so that objtool runs over the module, mark assembly with SYM_FUNC_START, get a newer driver; `ibt=off` on the kernel's command line switches the check off",
  },
  {
    forms: [
      "CFI failure at {address} (target: {address}; expected type: 0x{word})",
      "CFI failure at {address} (target: {address}; expected type: {value})",
      "CFI failure at {address} (no target information)",
      "CFI failure (target: {address}):",
      "CFI failure (target: {text}",
      "CFI failure at {address}",
    ],
    by: "kernel",
    concerns: ofModule,
    kernels: "with CONFIG_CFI_CLANG",
    meaning: (f) =>
      `${f.address === undefined ? "An indirect call" : `The indirect call at ${f.address}`} went to a function whose type (arguments and result) is not the one that the call expects, or that was compiled without clang's control flow integrity: a cast of a function pointer, a module built by GCC or with other flags, or assembly without a type.`,
    help: () =>
      "give the function exactly the type of the pointer that calls it; compile the module with the clang and the CFI flags of the kernel (6.1 on: -fsanitize=kcfi); assembly needs SYM_TYPED_FUNC_START",
  },
  {
    forms: [
      "jump_label: Fatal kernel bug, unexpected op at {address} [{value}] ({text}) size:{number} type:{number}",
      "jump_label: Fatal kernel bug, unexpected op at {address} [{value}] ({text}) {text}",
      "jump_label: Fatal kernel bug, unexpected op at {address}{text}",
      "Unexpected op at {address} [{value}] ({text}) {text}",
    ],
    by: "kernel",
    concerns: ofModule,
    arch: "x86_64",
    meaning: (f) =>
      `At ${f.address}, the site of a static key (__jump_table), the kernel found other bytes than the nop or jump that must stand there, and stops. The module was linked without objtool's last pass (its sites still hold \`jmp\` where a nop belongs), its table was cut or joined by a tool, or another patch changed the site.`,
    help: () =>
      "link the module with the kernel's own build, objtool included, and of this very version; a livepatch may not keep entries of static keys that belong to a module not loaded yet",
  },
  {
    forms: ["missing return thunk: {address}-{address}: {text}", "missing return thunk: {text}"],
    by: "kernel",
    concerns: ofModule,
    arch: "x86_64",
    kernels: "from 5.19",
    meaning: (f) =>
      `A site of .return_sites${f.address === undefined ? "" : ` (${f.address})`} does not hold a jump to __x86_return_thunk, so the kernel cannot patch the return there; a warning, and the return stays unprotected. The table and the code do not fit: the module was changed behind objtool, or a relocation of the site was lost.`,
    help: () => SAME_BUILD,
  },
  {
    forms: ["Unpatched return thunk in use. This should not happen!", "Unpatched return thunk in use{text}"],
    by: "kernel",
    concerns: "file",
    arch: "x86_64",
    kernels: "from 6.9",
    meaning: () =>
      "Code returned through the return thunk as it stands before patching: a module (or assembly) was compiled with return thunks, but has no entries in .return_sites, as objtool did not run over it. Printed once; the module works, its returns are not protected. `Modules linked in` and the call trace behind it name the module.",
    help: () =>
      "build the module with the kernel's own build, objtool included; for objects that come ready-made ask for a newer release",
  },
  {
    forms: [
      "unsupported return thunk{text}",
      "{module}: 'naked' return found in RETHUNK build",
      "System may be vulnerable to spectre v2",
      "Spectre V2 : System may be vulnerable to spectre v2",
      "Spectre V2 : WARNING: module '{module}' built without retpoline-enabled compiler, may affect Spectre v2 mitigation",
      "WARNING: module '{module}' built without retpoline-enabled compiler, may affect Spectre v2 mitigation",
      "{module}: loading module not compiled with retpoline compiler. {text}",
    ],
    by: "kernel",
    concerns: "file",
    arch: "x86_64",
    meaning: () =>
      "A module was compiled without the protections against speculation (retpolines, return thunks) that the kernel uses. A notice: it loads all the same.",
    help: () => NEW_KERNEL_FLAGS,
  },
  {
    forms: ["PKCS#7 signature not signed with a trusted key", "PKCS#7 message not signed with a trusted key"],
    by: "kernel",
    concerns: "file",
    meaning: () =>
      "The module's signature is whole, but its key is in none of the kernel's keyrings (built-in, secondary, or that of the machine's owner). By itself a notice: where signatures are enforced, `Loading of module with unavailable key is rejected` or insmod's `Required key not available` follows; elsewhere the module loads and taints the kernel.",
    help: () =>
      "sign it with a key that the kernel knows (`cat /proc/keys`, `keyctl list %:.builtin_trusted_keys`), or enrol the key: `mokutil --import KEY.der`, then boot",
  },
  {
    forms: [
      "PKCS#7 signature with non-detached data",
      "PKCS#7 {text}",
      "PKCS7: {text}",
      "Sig {number}: {text}",
      "Invalid module sig ({text})",
      "Message signed outside of X.509 validity window",
      "Problem loading {text}X.509 certificate ({errno})",
      "Request for unknown module key '{text}' err {errno}",
    ],
    by: "kernel",
    concerns: "file",
    meaning: () =>
      "The signature at the end of the module could not be verified: the file was changed after it was signed (strip, klplink, a copy that lost bytes), the digest or key type is none of this kernel's, or the key is not known.",
    help: () =>
      "sign the finished module last (scripts/sign-file HASH KEY CERT MODULE.ko), with a key and hash of this kernel; strip before that",
  },
  {
    forms: [
      "vmap allocation for size {number} failed: use vmalloc=<size> to increase size",
      "vmap allocation for size {number} failed{text}",
      "vmalloc_node_range for size {number} failed: {text}",
      "{text}: vmalloc error: size {number}, {text}",
      "{text}: vmalloc: allocation failure: {number} bytes{text}",
      "{text}: vmalloc: allocation failure, allocated {text}",
      "execmem: unable to allocate memory{text}",
    ],
    by: "kernel",
    concerns: "machine",
    meaning: (f) =>
      `The kernel found no room${f.number === undefined ? "" : ` of ${f.number} bytes`} where modules (or other mapped memory) lie, so insmod ends with \`Cannot allocate memory\`. Modules must lie within reach of the kernel's code (x86_64 1 to 1.5 GiB, arm64 128 MiB to 2 GiB, 32-bit machines a few MiB): that room is used up, cut into pieces, or the module is far too large.`,
    help: () =>
      "look for a loop that loads and fails (udev, many CPUs at once), and at `/proc/vmallocinfo` for what fills it; strip debugging sections; give the room more (`vmalloc=` on 32-bit machines), boot again, or build the driver in",
  },
  {
    forms: [
      "LoadPin: kernel-module denied obj={text}",
      "LoadPin: kernel-module pinning-excluded obj={text}",
      "LoadPin: kernel-module {text}",
    ],
    by: "kernel",
    concerns: "machine",
    meaning: () =>
      "LoadPin takes modules from one file system only (the one that the first came from), and this file lies elsewhere.",
    help: () => "load it from the root file system, or boot with `loadpin.enforce=0`",
  },
  {
    forms: [
      "ima: impossible to appraise a kernel image without a file descriptor; try using kexec_file_load syscall.",
      "impossible to appraise a module without a file descriptor. sig_enforce kernel parameter might help",
      "ima: impossible to appraise a module without a file descriptor. sig_enforce kernel parameter might help",
    ],
    by: "kernel",
    concerns: "machine",
    meaning: () =>
      "IMA is to check each module by its file, and insmod gave bytes only (init_module in place of finit_module).",
    help: () => "load the module uncompressed with insmod of kmod, so that the kernel sees the file",
  },
  sentence(
    "kernel",
    "file",
    "The module's init function returned an error of its own, after the loader was done: nothing is wrong with the file as such.",
    "look at what the module prints just before, and at its parameters and hardware",
    "initcall {symbol}+{text} [{module}] returned {errno} after {text}",
  ),
];

/** kpatch's own core module: kmod/core/core.c of kpatch 0.1 to 0.9. */
export const kpatchCoreMessages: readonly Message[] = [
  {
    forms: [
      "base kernel mismatch for symbol '{symbol}'",
      "expected address was {value}",
      "base kernel mismatch for symbol '{symbol}' - expected address was {value}",
    ],
    by: "kpatch core",
    concerns: (f) => (f.symbol === undefined ? "file" : "place"),
    meaning: (f) =>
      `The patch holds the address of ${f.symbol ?? "the symbol named in the line before"} in the kernel that it was made for, and the kernel that runs has it elsewhere: they are two builds, even if \`uname -r\` says the same.`,
    help: () => "make the patch again for the vmlinux of the kernel that runs (`uname -v` has its build date)",
  },
  {
    forms: [
      "unable to find symbol '{symbol}' in module '{object}'",
      "unable to find symbol '{symbol}' in module '{object}",
      "unable to find symbol '{symbol}'",
    ],
    by: "kpatch core",
    concerns: "place",
    codes: ["KLP401"],
    meaning: (f) =>
      `The patch refers to ${f.symbol}, and ${f.object === undefined ? "no module that it patches" : `the module ${f.object} that is loaded`} has no such symbol: it is another build of the module.`,
    help: () => "make the patch again for the module that is loaded; `modinfo -n MODULE` says which file that is",
  },
  {
    forms: [
      "activeness safety check failed for {symbol}",
      "NMI activeness safety check failed",
      "PID: {number} Comm: {text}",
    ],
    by: "kpatch core",
    concerns: "machine",
    meaning: (f) =>
      `A task was inside a function that is to be patched${f.symbol === undefined ? "" : `, ${f.symbol}`}, so kpatch left everything as it was (EBUSY). The lines \`PID:\` behind it name the task and its stack.`,
    help: () =>
      "try again; a function in which tasks always sleep (schedule, poll, a main loop) cannot be patched so: patch one that it calls, or stop the task named. KPATCH_FORCE_UNSAFE skips the check, at the risk of a crash",
  },
  {
    forms: ["symbol '{symbol}' at address {value} starts with a OP_JMP_REL32"],
    by: "kpatch core",
    concerns: "machine",
    meaning: (f) =>
      `${f.symbol} begins with a jump: something else (a kprobe, another tool that patches) has changed its entry already.`,
    help: () => "remove the probe or the other tool's patch first",
  },
  {
    forms: [
      "can't set ftrace filter at address {value}",
      "can't register ftrace handler",
      "can't unregister ftrace handler",
      "can't remove ftrace filter at address {value}",
      "can't unregister ftrace for address {value}",
    ],
    by: "kpatch core",
    concerns: "machine",
    meaning: () =>
      "ftrace refused the place: the function has no ftrace site (notrace, assembly), or ftrace is off after a bug or by `ftrace_enabled`.",
    help: () =>
      "see whether /sys/kernel/tracing/available_filter_functions has the function, and `sysctl kernel.ftrace_enabled` is 1",
  },
  {
    forms: [
      "unsupported rela type {type} for source {symbol} ({text})",
      "unsupported rela type {type}",
      "bad dynrela location {value} for symbol {symbol}",
      "write to {value} failed for symbol {symbol}",
      "buffer overrun finding symbol '{symbol}' in module '{object}'",
    ],
    by: "kpatch core",
    concerns: "place",
    meaning: () =>
      "A relocation that kpatch applies by itself (.kpatch.dynrelas) cannot be applied: its type is unknown to this core, or its place lies outside the module.",
    help: () =>
      "make the patch with the kpatch-build of the same version as the core module that is loaded (`modinfo kpatch`)",
  },
  {
    forms: [
      "error ({errno}) patching newly loaded module '{object}'",
      "failed to patch newly loaded module '{object}' ({errno})",
    ],
    by: "kpatch core",
    concerns: "machine",
    meaning: (f) => `The module ${f.object} was loaded, and stays unpatched; a line before this one says why.`,
    help: () => "look at the lines before this one",
  },
  sentence(
    "kpatch core",
    "machine",
    "A notice of the normal course of kpatch.",
    "nothing",
    "patching newly loaded module '{object}'",
    "delaying patch of unloaded module '{object}'",
    "patching module '{object}'",
    "loaded patch module '{object}'",
    "unloaded patch module '{object}'",
    "tainting kernel with TAINT_USER",
  ),
];
