// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that leaves everything behind at unload: a slab cache with an
 * object in it, memory of kmalloc and vmalloc, and pages. The self-test of
 * the VM tests loads it, under the name of the real one, to see that each
 * kind is found.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#define LEAKY_PAGES 4096

static struct kmem_cache *cache;
/* Volatile: the compiler must not see that nothing is done with it. */
static void *volatile lost;

static noinline int leak(void)
{
	int i;

	cache = kmem_cache_create("vfsr_leaky", 200, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	lost = kmem_cache_alloc(cache, GFP_KERNEL);
	lost = kmalloc(1000, GFP_KERNEL);
	lost = vmalloc(PAGE_SIZE);
	for (i = 0; i < LEAKY_PAGES; i++)
		lost = alloc_page(GFP_KERNEL);
	return 0;
}

static int __init leaky_init(void)
{
	/* one from code that is gone after loading, one from code that stays */
	lost = kmalloc(2000, GFP_KERNEL);
	return leak();
}

static void __exit leaky_exit(void)
{
}

module_init(leaky_init);
module_exit(leaky_exit);
MODULE_DESCRIPTION("leaks on purpose, for the self-test of the VM tests");
MODULE_LICENSE("GPL");
