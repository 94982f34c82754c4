/* SPDX-License-Identifier: MIT */
/* A module that uses two exports of fold_exporter. The test spoils each of them in one way. */
#include <linux/module.h>

extern long fold_gpl(long value);
extern long fold_spaced(long value);
extern long fold_open(long value);
static long fold_value;

static int __init fold_init(void)
{
	fold_value = fold_gpl(fold_value) + fold_spaced(fold_value);
#ifdef FOLD_OPEN
	fold_value += fold_open(fold_value);
#endif
	return 0;
}

static void __exit fold_exit(void)
{
	fold_value = 0;
}

module_init(fold_init);
module_exit(fold_exit);
MODULE_DESCRIPTION("uses what its neighbours export");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(FOLD_NS);
