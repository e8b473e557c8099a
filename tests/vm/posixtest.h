/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * posixtest: what the calls must do on any file system of Linux, one small case
 * each. What the files of the program share.
 *
 * Each case runs in a process of its own, in an empty directory that is removed
 * after it, as root with umask 0. The first thing that is not as it must be
 * ends the case.
 */
#ifndef VFSR_TESTS_POSIXTEST_H
#define VFSR_TESTS_POSIXTEST_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port.h"

#define NOBODY 65534
#define STATUS_SKIP 77

struct test {
	const char *name;
	void (*run)(void);
};

extern const struct test name_tests[], dir_tests[], data_tests[], map_tests[],
	attr_tests[], flags_tests[], xattr_tests[];

void failed(const char *file, int line, const char *what)
	__attribute__((noreturn));
void skip(const char *why) __attribute__((noreturn));
int works(long ret, const char *file, int line, const char *what);
int works_or_skip(long ret, const char *file, int line, const char *what);
void fails(long ret, int err, const char *file, int line, const char *what);

/* The condition must hold. */
#define MUST(cond)                                         \
	do {                                               \
		if (!(cond))                               \
			failed(__FILE__, __LINE__, #cond); \
	} while (0)

/* The call must not return -1; gives what it returned. */
#define WORKS(call) works(call, __FILE__, __LINE__, #call)

/* The call must return -1 with this errno. */
#define FAILS(call, err) fails(call, err, __FILE__, __LINE__, #call)

/* Must the call not be there (EOPNOTSUPP, EINVAL, ENOSYS), the case is skipped. */
#define WORKS_OR_SKIP(call) works_or_skip(call, __FILE__, __LINE__, #call)

void make_file(const char *path, const char *text);
bool has_text(const char *path, const char *text);
struct stat stat_of(const char *path);
/* Run a function as another user; it must not end the case. */
void as_user(u32 uid, u32 gid, void (*run)(void));

#endif
