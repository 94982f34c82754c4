// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * klplink-init.c: the part of a livepatch module that enables the patch. `klplink diff` writes the other part: replacement functions,
 * and the tables that are read here. Both are linked into one module by kbuild (see Kbuild), which `klplink link` then finishes.
 *
 * Compiled with the kernel's own headers: sizes of its structures, which depend on its configuration, are right by themselves.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "klplink.h"

/* 1: takes the place of all livepatches before it. 0: adds to them. */
#ifndef KLPLINK_REPLACE
#define KLPLINK_REPLACE 1
#endif

/* Tables of the other part, in the layout of klp-build's (7.2, include/linux/livepatch_external.h). */
struct klplink_func {
	const char *old_name;
	void *new_func;
	unsigned long sympos; /* 0: the name is unique */
};

struct klplink_object {
	const char *name; /* NULL: vmlinux */
	const struct klplink_func *funcs;
	int (*pre_patch)(struct klp_object *object);
	void (*post_patch)(struct klp_object *object);
	void (*pre_unpatch)(struct klp_object *object);
	void (*post_unpatch)(struct klp_object *object);
	unsigned long unused;
	unsigned int nr_funcs;
};

_Static_assert(sizeof(struct klplink_func) == 24 && sizeof(struct klplink_object) == 64 &&
		       sizeof(struct klplink_state) == 16,
	       "the tables are those of a 64-bit kernel");

#define IN_THIS_MODULE __attribute__((visibility("hidden")))

extern const struct klplink_object __klplink_objects[] IN_THIS_MODULE;
extern const struct klplink_object __klplink_objects_end[] IN_THIS_MODULE;
/* Where the patch has no states, nor are there these. */
extern const struct klplink_state __klplink_states[] __weak IN_THIS_MODULE;
extern const struct klplink_state __klplink_states_end[] __weak IN_THIS_MODULE;

/* In data, where a plain address stands: compilers may go to weak variables by a table that modules do not have. */
static const struct klplink_state *states_start = __klplink_states;
static const struct klplink_state *states_end = __klplink_states_end;

struct klp_patch *klplink_patch;

static void free_patch(struct klp_patch *patch)
{
	struct klp_object *object;

	/* An object without a list of functions ends the array. */
	for (object = patch->objs; object && object->funcs; object++)
		kfree(object->funcs);
	kfree(patch->objs);
	kfree(patch->states);
	kfree(patch);
}

static int __init fill_object(struct klp_object *object, const struct klplink_object *from)
{
	unsigned int i;

	object->name = from->name;
	object->callbacks.pre_patch = from->pre_patch;
	object->callbacks.post_patch = from->post_patch;
	object->callbacks.pre_unpatch = from->pre_unpatch;
	object->callbacks.post_unpatch = from->post_unpatch;

	/* An empty entry ends the list, so an object with callbacks alone has a list, too. */
	object->funcs = kcalloc((size_t)from->nr_funcs + 1, sizeof(*object->funcs), GFP_KERNEL);
	if (!object->funcs)
		return -ENOMEM;
	for (i = 0; i < from->nr_funcs; i++) {
		object->funcs[i].old_name = from->funcs[i].old_name;
		object->funcs[i].new_func = from->funcs[i].new_func;
		object->funcs[i].old_sympos = from->funcs[i].sympos;
	}
	return 0;
}

static int __init fill_states(struct klp_patch *patch)
{
	const struct klplink_state *from = READ_ONCE(states_start);
	size_t count = READ_ONCE(states_end) - from;
	size_t i;

	if (!count)
		return 0;
	patch->states = kcalloc(count + 1, sizeof(*patch->states), GFP_KERNEL);
	if (!patch->states)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		patch->states[i].id = from[i].id;
		patch->states[i].version = from[i].version;
	}
	return 0;
}

static int __init klplink_init(void)
{
	size_t objects = __klplink_objects_end - __klplink_objects;
	struct klp_patch *patch;
	size_t i;
	int error = -ENOMEM;

	if (!objects) {
		pr_err("%s: the livepatch changes nothing\n", KBUILD_MODNAME);
		return -EINVAL;
	}
	patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	if (!patch)
		return -ENOMEM;
	patch->mod = THIS_MODULE;
	patch->replace = KLPLINK_REPLACE;
	patch->objs = kcalloc(objects + 1, sizeof(*patch->objs), GFP_KERNEL);
	if (!patch->objs)
		goto fail;
	for (i = 0; i < objects; i++) {
		error = fill_object(&patch->objs[i], &__klplink_objects[i]);
		if (error)
			goto fail;
	}
	error = fill_states(patch);
	if (error)
		goto fail;

	/* Callbacks run before klp_enable_patch() returns, and may ask for it. */
	klplink_patch = patch;
	error = klp_enable_patch(patch);
	if (!error)
		return 0;
	klplink_patch = NULL;
fail:
	free_patch(patch);
	return error;
}

/* Reached only when the patch is disabled and the kernel has let go of its structures. */
static void __exit klplink_exit(void)
{
	free_patch(klplink_patch);
}

module_init(klplink_init);
module_exit(klplink_exit);
MODULE_DESCRIPTION("livepatch made by klplink");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_INFO(livepatch, "Y");
MODULE_INFO(klplink, "1");
