// SPDX-License-Identifier: MIT
// Another /proc/cmdline: the kernel's own words, and that they come from here. saved_command_line is not exported, so kbuild alone
// makes a module of this that no kernel loads; klplink makes it a livepatch symbol.

#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern char *saved_command_line;

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s livepatched\n", saved_command_line);
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = functions }, /* no name: the kernel itself */
	{ }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init cmdline_patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit cmdline_patch_exit(void)
{
}

module_init(cmdline_patch_init);
module_exit(cmdline_patch_exit);
MODULE_DESCRIPTION("klplink's example of a livepatch module");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
