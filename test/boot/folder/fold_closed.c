// SPDX-License-Identifier: MIT
/* A module that is not under a licence compatible with the GPL. */
#include <linux/module.h>

long fold_open(long value);
noinline long fold_open(long value)
{
	return value + 3;
}
EXPORT_SYMBOL(fold_open);

MODULE_DESCRIPTION("is closed");
MODULE_LICENSE("Proprietary");
