// SPDX-License-Identifier: MIT
/*
 * Much that lies outside: calls of many functions of the kernel and of another module (varied), data and per-CPU data of the
 * kernel, weak symbols that nobody has; per-CPU data of its own, some of it reached at several places and with an offset.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kernel_stat.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>

struct far_sums { u64 first, second, third[5]; };

static DEFINE_PER_CPU(struct far_sums, far_sums);
static DEFINE_PER_CPU(u32, far_last) = 5;
DEFINE_PER_CPU(u64, far_shared);

extern long far_absent __attribute__((weak));
extern long far_missing __attribute__((weak));
extern int varied_twice(int value);
extern long varied_peek(const long *from);

static noinline u64 far_sum(unsigned int i)
{
	this_cpu_inc(far_sums.first);
	this_cpu_add(far_sums.third[3], i);
	this_cpu_write(far_last, i);
	this_cpu_inc(far_shared);
	return this_cpu_read(far_sums.second) + this_cpu_read(far_sums.third[3]) + this_cpu_read(far_last);
}

static noinline u64 far_average(void)
{
	u64 sum = this_cpu_read(far_sums.third[3]) + this_cpu_read(far_shared);

	return sum / (this_cpu_read(far_last) + 1);
}

static noinline unsigned long far_outside(void)
{
	unsigned long sum = jiffies + loops_per_jiffy + init_uts_ns.name.sysname[0];

	if (&far_absent)
		sum += far_absent;
	if (&far_missing)
		sum += far_missing;
	return sum + this_cpu_read(kstat.irqs_sum) + (unsigned long)init_task.pid + nr_cpu_ids + (loops_per_jiffy > 1);
}

static noinline int far_strings(const char *text)
{
	char *copy = kstrdup(text, GFP_KERNEL), *other = kasprintf(GFP_KERNEL, "%s%s", text, text);
	int result = -ENOMEM;

	if (copy && other) {
		result = strcmp(copy, other) + strncmp(copy, other, 3) + (strchr(other, 'x') != NULL) + (strstr(other, copy) != NULL);
		result += memcmp(copy, other, strlen(copy)) + (int)strcspn(copy, "e") + (strrchr(copy, 'o') != NULL) + (int)strnlen(copy, 2);
		result += sysfs_streq(copy, other) + simple_strtol("17", NULL, 10);
	}
	kfree(copy);
	kfree(other);
	return result;
}

static int __init far_init(void)
{
	int (*twice)(int) = varied_twice;
	long there = far_strings("one more");

	pr_info("far: %llu %llu %d %d %ld\n", far_sum(4), far_average(), far_outside() > 0, twice(2) + varied_twice(3), varied_peek(&there));
	return 0;
}

static void __exit far_exit(void) {}

module_init(far_init);
module_exit(far_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("calls and data outside the module");
