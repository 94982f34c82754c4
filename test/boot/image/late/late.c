// SPDX-License-Identifier: MIT
/*
 * A livepatch for late_target, loaded before it: two calls of its static function and two pointers to its static
 * variable are relocated only when late_target comes; a call of a static function of vmlinux as this module comes.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern long late_hidden(long value);
extern long late_secret;
extern int version_proc_show(struct seq_file *m, void *v);

static long *volatile late_secrets[] = { &late_secret, &late_secret };

static noinline long late_new_answer(long value)
{
	long sum = late_hidden(value);

	sum += *late_secrets[0] + *late_secrets[1];
	return sum + late_hidden(sum);
}

static noinline int late_cmdline(struct seq_file *m, void *v)
{
	int error = version_proc_show(m, v);

	seq_puts(m, "late\n");
	return error;
}

static struct klp_func late_vmlinux_funcs[] = { { .old_name = "cmdline_proc_show", .new_func = late_cmdline }, {} };
static struct klp_func late_funcs[] = { { .old_name = "late_answer", .new_func = late_new_answer }, {} };
static struct klp_object late_objs[] = {
	{ .funcs = late_vmlinux_funcs }, { .name = "late_target", .funcs = late_funcs }, {}
};
static struct klp_patch late_patch = { .mod = THIS_MODULE, .objs = late_objs };

static int __init late_init(void)
{
	return klp_enable_patch(&late_patch);
}

static void __exit late_exit(void) {}

module_init(late_init);
module_exit(late_exit);
MODULE_DESCRIPTION("a livepatch whose module comes later");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_INFO(livepatch, "Y");
