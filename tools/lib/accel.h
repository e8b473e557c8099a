/* SPDX-License-Identifier: GPL-2.0-only */
/* Parity at the speed of the processor's vector units, through ISA-L. */
#ifndef VFSR_LIB_ACCEL_H
#define VFSR_LIB_ACCEL_H

#include "core/parity.h"

/**
 * vfsr_accel_parity - the fastest vector operations of this machine
 *
 * They give the same bytes as vfsr_parity_scalar, and may be used by any
 * number of threads.
 *
 * Return: the operations; static, never NULL.
 */
const struct vfsr_parity_ops *vfsr_accel_parity(void);

#endif
