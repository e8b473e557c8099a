/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * ioctls of vfsr: the interface to userspace. Numbers and layouts never change.
 *
 * Requests of vfsr's own have the magic VFSR_IOC_MAGIC. The generic ones that
 * it answers too (FS_IOC_GETVERSION, FS_IOC_GETFSLABEL, FS_IOC_GETFSUUID,
 * FS_IOC_GETFSSYSFSPATH, FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR) are in linux/fs.h.
 */
#ifndef VFSR_UAPI_VFSR_IOCTL_H
#define VFSR_UAPI_VFSR_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VFSR_IOC_MAGIC 0xd7

/* Stop the filesystem at once; for tests of recovery. The number is the one
 * that other filesystems have for it. */
#define VFSR_IOC_SHUTDOWN _IOR('X', 125, __u32)

#define VFSR_SHUTDOWN_SYNC 0x0 /* write all data first */
#define VFSR_SHUTDOWN_COMMIT 0x1 /* commit what is done, data may miss */
#define VFSR_SHUTDOWN_NOW 0x2 /* write nothing more */

#endif
