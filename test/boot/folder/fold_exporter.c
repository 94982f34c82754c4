// SPDX-License-Identifier: MIT
/* Exports for the other modules of this folder. */
#include <linux/module.h>

long fold_gpl(long value);
noinline long fold_gpl(long value)
{
	return value + 1;
}
EXPORT_SYMBOL_GPL(fold_gpl);

long fold_spaced(long value);
noinline long fold_spaced(long value)
{
	return value + 2;
}
EXPORT_SYMBOL_NS(fold_spaced, FOLD_NS);

MODULE_DESCRIPTION("exports for its neighbours");
MODULE_LICENSE("Dual MIT/GPL");
