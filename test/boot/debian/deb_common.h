/* SPDX-License-Identifier: MIT */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#define DEB_PATCH(objects)                                                                          \
	static struct klp_patch deb_patch = { .mod = THIS_MODULE, .objs = (objects) };             \
	static int __init deb_init(void)                                                           \
	{                                                                                          \
		return klp_enable_patch(&deb_patch);                                               \
	}                                                                                          \
	static void __exit deb_exit(void) {}                                                       \
	module_init(deb_init);                                                                     \
	module_exit(deb_exit);                                                                     \
	MODULE_DESCRIPTION("livepatch for a distribution's kernel");                               \
	MODULE_LICENSE("Dual MIT/GPL");                                                            \
	MODULE_INFO(livepatch, "Y")
