// SPDX-License-Identifier: MIT
/*
 * Sibling calls into vmlinux, three files under /proc:
 *   cmdline      answers what filesystems answers: klp_sibling_cmdline is entered by ftrace only and ends in a bare "b"
 *   uptime       answers what version answers: klp_sibling_uptime ends in a bare "b" too, and is also called ...
 *   execdomains  ... from klp_sibling_execdomains by a local "bl", after which that function reads its data through r2
 *
 * Not loadavg: in some builds loadavg_proc_show is followed by the nameless remains of a weak function. The kernel looks
 * for "a ftrace site from this symbol to the next", finds that one, and a patch is enabled without any effect.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "formerly_local.h"

int filesystems_proc_show(struct seq_file *m, void *v);
int version_proc_show(struct seq_file *m, void *v);

FORMERLY_LOCAL(int filesystems_proc_show(struct seq_file *m, void *v) { return 0; });
FORMERLY_LOCAL(int version_proc_show(struct seq_file *m, void *v) { return 0; });

static volatile unsigned long cmdline_reads;
static volatile unsigned long uptime_reads;
static volatile unsigned long execdomains_reads;
static volatile unsigned long mark = 0x7369626c696e6721;

/*
 * 0 and "it does not fit" the first time: seq_read_iter() then makes a buffer of twice the size and asks once more. What it does in
 * between needs its own r2; a read that fits may get by with a wrong one (where static keys are jump labels). No branch: each of
 * the functions below has one sibling call.
 */
static __always_inline unsigned long room(struct seq_file *m)
{
	unsigned long first = m->size == PAGE_SIZE;

	m->count |= -first & m->size;
	return first ^ 1;
}

static __attribute__((noipa)) int klp_sibling_cmdline(struct seq_file *m, void *v)
{
	cmdline_reads += room(m);
	return filesystems_proc_show(m, v);
}

static __attribute__((noipa)) int klp_sibling_uptime(struct seq_file *m, void *v)
{
	uptime_reads += room(m);
	return version_proc_show(m, v);
}

static __attribute__((noipa)) int klp_sibling_execdomains(struct seq_file *m, void *v)
{
	int ret = klp_sibling_uptime(m, v);

	execdomains_reads += m->size != PAGE_SIZE;
	seq_printf(m, "execdomains=%lu mark=%lx ret=%d\n", execdomains_reads, mark, ret);
	seq_printf(m, "cmdline=%lu uptime=%lu\n", cmdline_reads, uptime_reads);
	return ret;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = klp_sibling_cmdline },
	{ .old_name = "uptime_proc_show", .new_func = klp_sibling_uptime },
	{ .old_name = "execdomains_proc_show", .new_func = klp_sibling_execdomains },
	{}
};

static struct klp_object objs[] = {
	{ .funcs = funcs },
	{}
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static int __init klp_sibling_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit klp_sibling_exit(void) {}

module_init(klp_sibling_init);
module_exit(klp_sibling_exit);
MODULE_DESCRIPTION("sibling calls into vmlinux");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_INFO(livepatch, "Y");
