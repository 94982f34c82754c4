// Changes of the kernel's source, as replacements of text that stands once in a file; patches are made of them by git.

export type Edit = readonly [path: string, from: string, to: string];

/** The end of a function that shows a file of /proc, in front of the one that makes the file. */
const END = "\treturn 0;\n}\n\nstatic int __init";

/** Counts how often the file was read, behind what it says. */
export const COUNT: readonly Edit[] = [
  [
    "fs/proc/version.c",
    "\tseq_printf(m, linux_proc_banner,",
    "\tstatic int reads;\n\n\tseq_printf(m, linux_proc_banner,",
  ],
  ["fs/proc/version.c", END, `\tseq_printf(m, "patched %d\\n", ++reads);\n${END}`],
];
/** Once more behind the same file, for a source that has COUNT. */
export const MORE: readonly Edit[] = [["fs/proc/version.c", END, `\tseq_puts(m, "and more\\n");\n${END}`]];
/** Another file, which calls a new function of the first one. */
export const TWO: readonly Edit[] = [
  [
    "fs/proc/version.c",
    "static int version_proc_show",
    'void version_note(struct seq_file *m);\nvoid version_note(struct seq_file *m)\n{\n\tseq_puts(m, "two files\\n");\n}\n\nstatic int version_proc_show',
  ],
  [
    "fs/proc/uptime.c",
    "static int uptime_proc_show",
    "void version_note(struct seq_file *m);\n\nstatic int uptime_proc_show",
  ],
  ["fs/proc/uptime.c", END, `\tversion_note(m);\n${END}`],
];
/** A header, and one of the sources that include it uses what is new. Its function has a name that others have, too. */
export const HEADER: readonly Edit[] = [
  [
    "fs/proc/fd.h",
    "extern const struct file_operations proc_fd_operations;",
    '#define FD_NOTE "from a header\\n"\n\nextern const struct file_operations proc_fd_operations;',
  ],
  [
    "fs/proc/fd.c",
    "\tshow_fd_locks(m, file, files);\n\tif (seq_has_overflowed(m))",
    "\tshow_fd_locks(m, file, files);\n\tseq_puts(m, FD_NOTE);\n\tif (seq_has_overflowed(m))",
  ],
];
/**
 * On ppc64le a call of a static function that stays in the kernel, which the compiler wrote without a nop: it needs an island. The
 * function is too large, and called too often, to be inlined.
 */
export const ISLAND: readonly Edit[] = [
  [
    "fs/proc/array.c",
    "\treturn do_task_stat(m, ns, pid, task, 1);",
    '\tint error = do_task_stat(m, ns, pid, task, 1);\n\n\tseq_puts(m, "by an island\\n");\n\treturn error;',
  ],
];
/** A header of an architecture, by its guard, one of those that programs see, too, and a source that uses what is new in both. */
export const headersOf = ([path, guard]: readonly [path: string, guard: string]): readonly Edit[] => [
  [path, `#define ${guard}\n`, `#define ${guard}\n\n#define NOTE_OF_ARCH "arch, "\n`],
  [
    "include/uapi/linux/utsname.h",
    "#define __OLD_UTS_LEN 8\n",
    '#define __OLD_UTS_LEN 8\n#define NOTE_OF_UAPI "uapi\\n"\n',
  ],
  ["fs/proc/version.c", END, `\tseq_puts(m, NOTE_OF_ARCH NOTE_OF_UAPI);\n${END}`],
];
/** A function that compilers inline wherever it is called: what is replaced are its callers. */
export const INLINED: readonly Edit[] = [
  ["fs/proc/meminfo.c", '\tseq_write(m, " kB\\n", 4);', '\tseq_write(m, " KB\\n", 4);'],
];
/** Modules: each tells something of what is its own, and of no other object. */
export const RNG_CORE: readonly Edit[] = [
  [
    "drivers/char/hw_random/core.c",
    '"%s\\n", rng ? rng->name : "none")',
    '"%s, %d\\n", rng ? rng->name : "none",\n\t\t list_empty(&rng_list))',
  ],
];
export const PKTGEN: readonly Edit[] = [
  ["net/core/pktgen.c", "\tseq_puts(seq, version);", '\tseq_puts(seq, version);\n\tseq_puts(seq, "patched\\n");'],
];

const PROC_SHOW = "static int version_proc_show";
/** Written for kpatch: its macros, by the header that they come with. The callbacks tell what they were called for. */
export const FOR_KPATCH: readonly Edit[] = [
  ["fs/proc/version.c", '#include "internal.h"\n', '#include "internal.h"\n#include "kpatch-macros.h"\n'],
  [
    "fs/proc/version.c",
    PROC_SHOW,
    `static int callbacks;

static int before(patch_object *object)
{
	callbacks = 1;
	return object->name ? -EINVAL : 0;
}
KPATCH_PRE_PATCH_CALLBACK(before);

static void after(patch_object *object)
{
	callbacks += 2;
}
KPATCH_POST_PATCH_CALLBACK(after);

static void ends(patch_object *object)
{
	callbacks += 4;
}
KPATCH_PRE_UNPATCH_CALLBACK(ends);

static void ended(patch_object *object)
{
	KPATCH_PRINTK(KERN_INFO "for kpatch: %d\\n", callbacks + 8);
}
KPATCH_POST_UNPATCH_CALLBACK(ended);

${PROC_SHOW}`,
  ],
  ["fs/proc/version.c", END, `\tseq_printf(m, "callbacks %d\\n", callbacks);\n${END}`],
];
export const UNSAFE: readonly Edit[] = [
  ["fs/proc/version.c", PROC_SHOW, `#include "kpatch-macros.h"\nKPATCH_FORCE_UNSAFE(version_proc_show);\n${PROC_SHOW}`],
];
const SYSLOG = "SYSCALL_DEFINE3(syslog,";
/** Written for klp-build of 7.2: a system call that answers something else for one of its types, and callbacks. */
export const FOR_KLP_BUILD: readonly Edit[] = [
  [
    "kernel/printk/printk.c",
    "#include <linux/syscalls.h>\n",
    "#include <linux/syscalls.h>\n#include <linux/livepatch_helpers.h>\n",
  ],
  ["kernel/printk/printk.c", `\n${SYSLOG}`, `\nstatic int klp_answer;\n\nKLP_${SYSLOG}`],
  [
    "kernel/printk/printk.c",
    "\treturn do_syslog(type, buf, len, SYSLOG_FROM_READER);\n}\n",
    `	if (type == SYSLOG_ACTION_SIZE_BUFFER)
		return klp_answer;
	return do_syslog(type, buf, len, SYSLOG_FROM_READER);
}

static int klp_before(struct klp_object *object)
{
	klp_answer = object->name ? 1 : 4242;
	return 0;
}
KLP_PRE_PATCH_CALLBACK(klp_before);

static void klp_after(struct klp_object *object)
{
	klp_answer++;
}
KLP_POST_PATCH_CALLBACK(klp_after);

static void klp_ends(struct klp_object *object)
{
	klp_answer += 10;
}
KLP_PRE_UNPATCH_CALLBACK(klp_ends);

static void klp_ended(struct klp_object *object)
{
	pr_info("for klp-build: %d\\n", klp_answer);
}
KLP_POST_UNPATCH_CALLBACK(klp_ended);
`,
  ],
];

/** What is refused: why a livepatch cannot carry it stands in the diagnostic. */
export const BOOT_CODE: readonly Edit[] = [
  ["init/main.c", "static int kernel_init(void *);", "static int kernel_init(void *);\nint more;"],
];
export const MAKEFILE: readonly Edit[] = [
  ["fs/proc/Makefile", "obj-y   += proc.o", "obj-y   += proc.o\nccflags-y += -DX"],
];
/** The structure is the running kernel's own, and has been read by then. */
export const DATA: readonly Edit[] = [["fs/proc/stat.c", "\t.proc_flags\t= PROC_ENTRY_PERMANENT,\n", ""]];
/** Nothing calls it by name, and ftrace has no place in it. */
export const NOTRACE: readonly Edit[] = [
  [
    "kernel/livepatch/patch.c",
    "\tops = container_of(fops, struct klp_ops, fops);\n",
    "\tops = container_of(fops, struct klp_ops, fops);\n\tbarrier_data(ops);\n",
  ],
];
export const REMOVED = "fs/proc/softirqs.c";
/** Below lines that are new, so that line numbers of the file before are not those of the patched one. */
export const UNDECLARED: readonly Edit[] = [
  ["fs/proc/version.c", PROC_SHOW, `static int one;\n\n${PROC_SHOW}`],
  ["fs/proc/version.c", END, END.replace("return 0", "one++;\n\treturn missing")],
];
export const NOTHING: readonly Edit[] = [["fs/proc/version.c", END, `\t/* and no more */\n\n${END}`]];
/** Behind loadavg_proc_show lies an overridden weak function of the ppc64le kernel (test/boot/orphans.test.ts). */
export const LOADAVG: readonly Edit[] = [["fs/proc/loadavg.c", END, `\tseq_puts(m, "");\n${END}`]];
