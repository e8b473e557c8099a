// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that does nothing: it exists so that every object of the shared
 * core is compiled and linked as kernel code, and so that modpost proves that
 * the kernel exports what the core and the kernel port call.
 */
#include <linux/init.h>
#include <linux/module.h>

static int __init vfsr_core_init(void)
{
	return 0;
}

static void __exit vfsr_core_exit(void)
{
}

module_init(vfsr_core_init);
module_exit(vfsr_core_exit);
MODULE_DESCRIPTION("vfsr shared core, compile and link check");
MODULE_LICENSE("GPL");
