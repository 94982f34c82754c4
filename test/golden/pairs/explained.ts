// Where kpatch's create-diff-object 0.9.11 and the source of a pair differ. The source is right in all of them: kpatch misses a change, takes
// too much, refuses what can be taken, or takes what does not work.

export interface Explained {
  readonly cases: readonly string[];
  /** On this architecture only. */
  readonly arch?: string;
  /** What the test says of the difference. */
  readonly kpatch: RegExp;
  /** `missed`: a change is lost in silence. `too much`: a function without a change is patched. `refused`: needlessly. `unsafe`: taken, and should not be. */
  readonly kind: "missed" | "too much" | "refused" | "unsafe" | "words" | "crash";
  readonly why: string;
}

export const explained: readonly Explained[] = [
  {
    cases: ["bug-flags", "ex-table-fixup", "ex-table-gone", "jump-label-key", "jump-label-middle"],
    kpatch: /^says nothing for f changed$/,
    kind: "missed",
    why: "tables that it rebuilds are not compared: a change that only an entry tells is none",
  },
  {
    cases: ["feature-fixup"],
    kpatch: /^says nothing for f changed$/,
    kind: "missed",
    why: "likewise the feature fix-ups of ppc64le",
  },
  {
    cases: ["static-const"],
    arch: "ppc64le",
    kpatch: /^says nothing for f changed$/,
    kind: "missed",
    why: ".toc is not compared, and the new constant counts as new data that nothing uses",
  },
  {
    cases: ["clang-lookup"],
    arch: "ppc64le",
    kpatch: /^says nothing for g changed$/,
    kind: "missed",
    why: "the lookup table has no symbol, and is reached through .toc",
  },
  {
    cases: ["string-table"],
    arch: "ppc64le",
    kpatch: /^takes what is to be refused$/,
    kind: "missed",
    why: "it says that nothing changed; on x86_64 and arm64 it refuses the same change of the table",
  },
  {
    cases: ["float-constant"],
    arch: "ppc64le",
    kpatch: /^says dd changed, f changed for f changed$/,
    kind: "too much",
    why: "TOC16_LO is not followed: a constant that moved in .toc makes a change",
  },
  {
    cases: ["line-might-sleep", "line-32768", "line-65536", "line-lookalike"],
    arch: "arm64",
    kpatch: /^says f changed/,
    kind: "too much",
    why: "on arm64 lines are known in w2 before __warn_printk only, not in w1 before __might_sleep",
  },
  {
    cases: ["line-32768", "line-65536"],
    arch: "ppc64le",
    kpatch: /^says f changed for nothing$/,
    kind: "too much",
    why: "only `li` is known to load a line; from 32768 on it takes two instructions",
  },
  {
    cases: ["ubsan"],
    kpatch: /^says e new, f changed for e new$/,
    kind: "too much",
    why: "descriptors are never paired, so whoever refers to one is changed",
  },
  {
    cases: ["clang-ubsan"],
    kpatch: /^failed: .* can't find replacement symbol for \.data\.\.L__unnamed_1\+0 reference$/,
    kind: "refused",
    why: "clang's descriptors have no symbol",
  },
  {
    cases: ["clang-lookup"],
    kpatch: /^refused: changed section \.rodata\.\.Lswitch\.table\.g not selected for inclusion$/,
    kind: "refused",
    why: "a table without a symbol belongs to the function that uses it",
  },
  {
    cases: ["alternative-x86"],
    kpatch: /^refused: changed section \.altinstr_replacement not selected for inclusion$/,
    kind: "refused",
    why: "a replacement belongs to the function whose alternative it is",
  },
  {
    cases: ["padding"],
    kpatch: /^failed: symbol f at offset 16 within section \.text\.f, expected 0$/,
    kind: "refused",
    why: "the nops in front of a function are known by the __pfx_ symbols only, which objtool makes later",
  },
  {
    cases: ["read-mostly", "per-cpu-new"],
    kpatch: /^refused: data section \.data\.\.\w+ selected for inclusion$/,
    kind: "refused",
    why: "sections are taken whole: a new variable in a shared one would bring the others along",
  },
  {
    cases: ["sections-shared", "section-text"],
    kpatch: /^refused: changed section \.(?:sched\.)?text not selected for inclusion$/,
    kind: "refused",
    why: "functions of a shared section are not told apart",
  },
  {
    cases: ["static-unused", "static-inlined", "static-renamed-pair"],
    kpatch: /^refused: reference to static local variable \w+\.\d in f was removed$/,
    kind: "refused",
    why: "each reference must have its counterpart in the same function; there is no way to state a pair",
  },
  {
    cases: ["static-const"],
    kpatch:
      /^refused: static local weights\.1 has been correlated with weights\.1, but patched g is missing a reference to it$/,
    kind: "refused",
    why: "the compiler had one constant for both functions; content decides what a constant is",
  },
  {
    cases: ["static-first"],
    kpatch: /^refused: \.bss\.cnt\.1 section header details differ from \.bss\.cnt\.1$/,
    kind: "refused",
    why: "the first reference is paired first, though one variable has an initial value and the other none",
  },
  {
    cases: ["static-to-global", "static-to-global-same"],
    kpatch: /^refused: symbol info mismatch: helper$/,
    kind: "refused",
    why: "a function may become global",
  },
  {
    cases: ["unique-id"],
    kpatch: /^refused: symbol changed sections: __UNIQUE_ID_note0$/,
    kind: "refused",
    why: "numbers that the preprocessor counts are part of the section's name",
  },
  {
    cases: ["no-site", "no-site-chain"],
    kpatch: /^refused: function (?:helper|inner) doesn't have patchable function entry, unable to patch$/,
    kind: "refused",
    why: "its callers can take the copy along",
  },
  {
    cases: ["init-only"],
    kpatch: /^refused: changed section \.init\.text not selected for inclusion$/,
    kind: "refused",
    why: "init code has run: nothing is to be patched, which is to be said",
  },
  {
    cases: ["ignore-data"],
    kpatch: /^refused: data section \.data\.limit selected for inclusion$/,
    kind: "words",
    why: "the annotation is klplink's",
  },
  {
    cases: ["ignore-function"],
    kpatch: /^says f changed for f changed, g changed$/,
    kind: "words",
    why: "it leaves out what is to be ignored; the source says what changed, and `take:` what is taken",
  },
  {
    cases: ["callback-klp"],
    kpatch: /^says f changed for after new, f changed$/,
    kind: "words",
    why: "the annotation is klp-build's: the callback is lost",
  },
  {
    cases: ["force-unsafe"],
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "livepatch has nothing like KPATCH_FORCE_UNSAFE",
  },
  {
    cases: ["init-reference"],
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "init data is gone when the livepatch runs",
  },
  {
    cases: ["asm-label"],
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "a label in a function's middle, which the running kernel need not have at that place",
  },
  {
    cases: ["unknown-table"],
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "the table's entry of the new code is dropped without a word",
  },
  {
    cases: ["got", "weak-undefined-got"],
    arch: "arm64",
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "the module loader of arm64 knows no GOT",
  },
  {
    cases: ["toc-medium"],
    kpatch: /^ended by SIGSEGV$/,
    kind: "crash",
    why: "it takes each TOC relocation for one to an entry of .toc",
  },
  {
    cases: ["bug-no-file", "jump-label-likely", "static-call-tail", "ex-table-type"],
    kpatch: /^says nothing for f changed$/,
    kind: "missed",
    why: "tables that it rebuilds are not compared",
  },
  {
    cases: ["const-array"],
    arch: "arm64",
    kpatch: /^says nothing for f changed$/,
    kind: "missed",
    why: ".rodata is taken whole, so what it holds makes no difference",
  },
  {
    cases: ["const-array"],
    arch: "ppc64le",
    kpatch: /^says nothing for f changed$/,
    kind: "missed",
    why: ".rodata is taken whole, so what it holds makes no difference",
  },
  {
    cases: ["const-array"],
    arch: "x86_64",
    kpatch: /^refused: changed section \.rodata\.cst16 not selected for inclusion$/,
    kind: "refused",
    why: "a constant belongs to the function that uses it",
  },
  {
    cases: ["absolute"],
    kpatch: /^takes what is to be refused$/,
    kind: "missed",
    why: "what a name stands for is not compared",
  },
  {
    cases: ["function-to-data"],
    kpatch: /^says f changed for f changed, thing new$/,
    kind: "missed",
    why: "a variable in the place of a function is passed over",
  },
  {
    cases: ["common-size"],
    kpatch: /^ended by SIGSEGV$/,
    kind: "crash",
    why: "common symbols have no section",
  },
  {
    cases: ["notrace-added"],
    arch: "x86_64",
    kpatch: /^ended by SIGSEGV$/,
    kind: "crash",
    why: "the function has no relocation for a patch site any more",
  },
  {
    cases: ["cfi-name"],
    arch: "arm64",
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "kallsyms leaves out such names (scripts/mksysmap), so livepatch does not find the function",
  },
  {
    cases: ["cfi-name"],
    arch: "ppc64le",
    kpatch: /^takes what is to be refused$/,
    kind: "unsafe",
    why: "likewise",
  },
  {
    cases: ["alias-more"],
    kpatch: /^says f changed, second new for f changed$/,
    kind: "words",
    why: "a second name of a function counts as a new function",
  },
  {
    cases: ["align-less"],
    kpatch: /^refused: \.bss\.buf section header details differ from \.bss\.buf$/,
    kind: "refused",
    why: "what is aligned to more serves as well",
  },
  {
    cases: ["alternative-shared"],
    kpatch: /^refused: changed section \.text not selected for inclusion$/,
    kind: "refused",
    why: "functions of a shared section are not told apart",
  },
  {
    cases: ["binding-only", "weak-to-strong"],
    kpatch: /^refused: symbol info mismatch: f$/,
    kind: "refused",
    why: "a function may become weak, or global",
  },
  {
    cases: ["btf-ids", "param-mode", "param-moved"],
    kpatch: /^refused: changed section (?:\.BTF_ids|__param) not selected for inclusion$/,
    kind: "words",
    why: "no function differs, and what the object announces has no effect: klplink warns",
  },
  {
    cases: ["exit-section"],
    kpatch: /^refused: changed section \.exit\.text not selected for inclusion$/,
    kind: "words",
    why: "no function that can be patched differs: klplink warns",
  },
  {
    cases: ["setup-option"],
    kpatch: /^refused: object size mismatch: str$/,
    kind: "words",
    why: "init data has no effect: klplink warns",
  },
  {
    cases: ["init-no-more"],
    kpatch: /^refused: symbol changed sections: helper$/,
    kind: "refused",
    why: "a function that is init code no more is new to the kernel",
  },
  {
    cases: ["runtime-const-name"],
    kpatch: /^refused: changed section runtime_ptr_\w+ not selected for inclusion$/,
    kind: "refused",
    why: "its entries are the constants of functions",
  },
];
