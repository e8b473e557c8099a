/* SPDX-License-Identifier: GPL-2.0-only */
/* GF(256) with the polynomial 0x11d and generator 2: scalar arithmetic. */
#ifndef VFSR_CORE_GF_H
#define VFSR_CORE_GF_H

#include "port.h"

/**
 * vfsr_gf_mul - product of two elements
 * @a: factor
 * @b: factor
 *
 * Return: the product.
 */
u8 vfsr_gf_mul(u8 a, u8 b);

/**
 * vfsr_gf_inv - multiplicative inverse
 * @a: not 0, which has none
 *
 * Return: the element whose product with @a is 1.
 */
u8 vfsr_gf_inv(u8 a);

/**
 * vfsr_gf_pow2 - power of the generator
 * @e: exponent, any value
 *
 * Return: 2^e.
 */
u8 vfsr_gf_pow2(unsigned int e);

#endif
