// Small C files as a kernel's are, made from a seed, and changes of one token to them.

export type Machine = "x86_64" | "arm64" | "ppc64le";

/** The same numbers from the same seed, in [0, limit). */
export function numbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const BUG: Record<Machine, string> = {
  x86_64: "1: ud2",
  arm64: "1: brk #0x800",
  ppc64le: "1: twi 31,0,0",
};
const NOP: Record<Machine, string> = { x86_64: ".byte 0x0f,0x1f,0x44,0x00,0x00", arm64: "nop", ppc64le: "nop" };

/** What kernel headers have, in short: reports with line numbers, tables that belong to functions. */
function prelude(machine: Machine): string {
  const alternative: Record<Machine, string> = {
    x86_64: `#define ALT(n) asm volatile("661: movl $" #n ",%%eax\\n662:\\n.pushsection .altinstructions,\\"a\\"\\n.long 661b - .\\n.long 663f - .\\n.2byte (" #n "*32)\\n.2byte 0\\n.byte 662b-661b\\n.byte 664f-663f\\n.popsection\\n.pushsection .altinstr_replacement,\\"ax\\"\\n663: movl $(" #n "+1),%%eax\\n664:\\n.popsection" ::: "eax")`,
    arm64: `#define ALT(n) asm volatile("661: mov w9,#" #n "\\n662:\\n.pushsection .altinstructions,\\"a\\"\\n.word 661b - .\\n.word 663f - .\\n.hword " #n "\\n.byte 662b-661b\\n.byte 664f-663f\\n.popsection\\n.subsection 1\\n663: mov w9,#" #n "+1\\n664:\\n.previous" ::: "w9")`,
    ppc64le: `#define ALT(n) asm volatile("661: li 9," #n "\\n662:\\n.pushsection __ftr_alt_97,\\"a\\"\\n663: li 9," #n "+1\\n664:\\n.popsection\\n.pushsection __ftr_fixup,\\"a\\"\\n.align 3\\n665: .8byte " #n "\\n.8byte " #n "\\n.8byte 661b-665b\\n.8byte 662b-665b\\n.8byte 663b-665b\\n.8byte 664b-665b\\n.popsection" ::: "r9")`,
  };
  const ex: Record<Machine, string> = {
    x86_64: ".long 1b - .\\n.long 2b - .\\n.long 3",
    arm64: ".long 1b - .\\n.long 2b - .\\n.short 3\\n.short 0",
    ppc64le: ".long 1b - .\\n.long 2b - .",
  };
  const load: Record<Machine, string> = { x86_64: "movl %1,%0", arm64: "ldr %w0,%1", ppc64le: "lwz%U1%X1 %0,%1" };
  const clear: Record<Machine, string> = { x86_64: "xorl %0,%0", arm64: "mov %w0,wzr", ppc64le: "li %0,0" };
  const key: Record<Machine, string> = { x86_64: ".quad %c0 - .", arm64: ".quad %c0 - .", ppc64le: ".quad %c0 - ." };
  return `
#define noinline __attribute__((noinline))
#define cold __attribute__((cold))
extern int _printk(const char *fmt, ...);
extern void __might_sleep(const char *file, int line);
extern void lockdep_rcu_suspicious(const char *file, const int line, const char *s);
#define might_sleep() __might_sleep(__FILE__, __LINE__)
extern void cold panic_about(int what);
extern int ext_a(int), ext_b(int), ext_c(int, int), ext_d(int, int);
struct key { int enabled; void *entries; };
extern struct key key_a, key_b;
static struct key key_local = { 1 };
#define WARN(flags) asm volatile("${BUG[machine]}\\n.pushsection __bug_table,\\"aw\\"\\n2: .long 1b - .\\n.long %c0 - .\\n.2byte %c1\\n.2byte %c2\\n.org 2b+12\\n.popsection" :: "i"(__FILE__), "i"(__LINE__), "i"(flags))
#define WARN_ON(c) do { if (__builtin_expect(!!(c), 0)) WARN(0x901); } while (0)
static inline __attribute__((always_inline)) int branch(struct key *k) {
  asm goto("1: ${NOP[machine]}\\n.pushsection __jump_table,\\"aw\\"\\n.balign 8\\n.long 1b - .\\n.long %l[yes] - .\\n${key[machine]}\\n.popsection" :: "i"(k) :: yes);
  return 0;
yes:
  return 1;
}
static inline __attribute__((always_inline)) int get_user(const int *p) {
  int v;
  asm volatile("1: ${load[machine]}\\n3:\\n.pushsection .text.fixup_${machine},\\"ax\\"\\n.popsection\\n.subsection 1\\n2: ${clear[machine]}\\n.previous\\n.pushsection __ex_table,\\"a\\"\\n.balign 4\\n${ex[machine]}\\n.popsection" : "=r"(v) : "m"(*p));
  return v;
}
${alternative[machine]}
static const char *const names[] = { "zero", "one", "two", "three" };
static int table[8] = { 3, 1, 4, 1, 5, 9, 2, 6 };
static int limit = 12;
int counter;
struct ops { int (*open)(int); int (*close)(int); const char *name; };
`;
}

/** A body of a function; \`n\` gives constants. \`%\` stands for the number of the function. */
const bodies: readonly ((n: (limit: number) => number, callee: string) => string)[] = [
  (n, f) =>
    `  static int cnt;\n  cnt += x * ${3 + n(40)};\n  if (cnt > ${n(900)})\n    return ${f}(cnt - ${n(9)});\n  return cnt + limit;`,
  (n) =>
    `  might_sleep();\n  if (x == ${n(60)})\n    _printk("value %d of %s\\n", ${n(70)}, names[x & 3]);\n  return ext_a(x) + ${n(500)};`,
  (n, f) =>
    `  switch (x) {\n  case 0: return ${f}(${n(30)});\n  case 1: return ext_a(x);\n  case 2: return ${n(900)};\n  case 3: return counter;\n  case 4: return ext_c(x, ${n(50)});\n  case 5: return ext_b(${n(44)});\n  case 6: return limit - ${n(7)};\n  default: return -${1 + n(20)};\n  }`,
  (n) =>
    `  WARN_ON(x > ${n(99)});\n  counter += x;\n  WARN_ON(counter == ${n(99)});\n  return counter & ${1 + n(250)};`,
  (n, f) =>
    `  int sum = ${n(5)};\n  for (int *p = table; p < table + 8; p++)\n    sum += *p * ${2 + n(8)};\n  return ${f}(sum);`,
  (n) =>
    `  static int cnt = ${1 + n(3)};\n  {\n    static int cnt;\n    cnt += x;\n    if (cnt >= ${n(100)})\n      _printk("inner %d\\n", cnt);\n  }\n  return cnt++ + ${n(77)};`,
  (n, f) =>
    `  if (branch(&key_a))\n    return ext_d(x, ${n(80)});\n  if (branch(&key_local))\n    return ${f}(x | ${1 + n(60)});\n  return x ^ ${1 + n(60)};`,
  (n) =>
    `  int v = get_user(&table[x & 7]);\n  if (v < ${n(90)})\n    panic_about(${n(20)});\n  return v - ${n(1000)};`,
  (n, f) => `  ALT(${1 + n(20)});\n  if (x != ${n(50)})\n    return ${f}(x) + ${n(40)};\n  return ext_c(${n(33)}, x);`,
  (n) =>
    `  if (__builtin_expect(x <= ${n(9)}, 0)) {\n    _printk("rare case ${n(90)}\\n");\n    lockdep_rcu_suspicious(__FILE__, __LINE__, "usage");\n    panic_about(x + ${n(9)});\n  }\n  return limit * ${n(100)};`,
  (n, f) =>
    `  static const struct ops o = { .open = ext_a, .close = ${f}, .name = "ops ${n(9)}" };\n  const struct ops *p = &o;\n  asm volatile("" : "+r"(p));\n  return p->open(x) + p->close(${n(70)});`,
  (n) =>
    `  switch (x) {\n  case 0: return ${n(50)};\n  case 1: return ${n(50)};\n  case 2: return ${n(50)};\n  case 3: return ${n(50)};\n  case 4: return ${n(50)};\n  case 5: return ${n(50)};\n  }\n  return ${n(50)};`,
  (n) =>
    `  char buf[16] = "abcdefg${n(9)}";\n  asm volatile("" :: "r"(buf) : "memory");\n  return buf[x & 7] + ext_b(${n(99)});`,
];

export interface KernelLike {
  readonly source: string;
  /** Names of its functions. */
  readonly functions: readonly string[];
}

/** A file with some functions, the same from the same seed. */
export function makeSource(seed: number, machine: Machine): KernelLike {
  const n = numbers(seed);
  const count = 3 + n(4);
  const functions = Array.from({ length: count }, (_, i) => `fn_${i}`);
  const parts = functions.map((name, i) => {
    const body = (bodies[n(bodies.length)] as (typeof bodies)[number])(n, i === 0 ? "ext_b" : `fn_${n(i)}`);
    const kind = ["", "static noinline ", "static "][n(3)] ?? "";
    return `${kind}int ${name}(int x)\n{\n${body}\n}\n`;
  });
  const uses = `int (*const all_functions[])(int) = { ${functions.join(", ")} };\n`;
  return { source: `${prelude(machine)}/* functions */\n${parts.join("\n")}\n${uses}`, functions };
}

/** A change of one token inside a function's body; null if the chosen place has none. */
export function mutate(source: string, seed: number): { readonly source: string; readonly what: string } | null {
  const n = numbers(seed);
  const start = source.indexOf("/* functions */");
  const end = source.indexOf("int (*const all_functions");
  const body = source.slice(start, end);
  const token =
    /"(?:[^"\\]|\\.)*"|\b\d+\b|==|!=|<=|(?<!-)>=|<(?!<)|(?<!-)>(?!>)|\bext_[abcd]\b|\bkey_(?:a|local)\b|\s[-+]\s/g;
  const places = [...body.matchAll(token)].filter((m) => !/fn_$|names\[|0x$/.test(body.slice(0, m.index)));
  const chosen = places[n(places.length)];
  if (chosen === undefined) return null;
  const [text] = chosen;
  const line = source.slice(0, start + chosen.index).split("\n").length;
  const to = replacement(text, line, n);
  if (to === null || to === text) return null;
  const at = start + chosen.index;
  return {
    source: source.slice(0, at) + to + source.slice(at + text.length),
    what: `line ${line}: ${text.trim()} -> ${to.trim()}`,
  };
}

const turned: Readonly<Record<string, readonly string[]>> = {
  "==": ["!=", ">="],
  "!=": ["=="],
  "<=": ["<", ">="],
  ">=": [">", "=="],
  "<": ["<=", ">"],
  ">": [">=", "<"],
  ext_a: ["ext_b"],
  ext_b: ["ext_a"],
  ext_c: ["ext_d"],
  ext_d: ["ext_c"],
  key_a: ["key_b", "key_local"],
  key_local: ["key_a"],
  " + ": [" - "],
  " - ": [" + "],
};

function replacement(text: string, line: number, n: (limit: number) => number): string | null {
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    // By one; or to the number of this line, or of one beside it.
    const choices = [value + 1, Math.max(0, value - 1), line, line + 1, line - 1];
    return String(choices[n(choices.length)]);
  }
  if (text.startsWith('"')) return /^"[a-z]/.test(text) ? text.replace(/[a-z]/, (c) => (c === "q" ? "r" : "q")) : null;
  const to = turned[text.trim()] ?? turned[text];
  return to === undefined ? null : (to[n(to.length)] ?? null);
}
