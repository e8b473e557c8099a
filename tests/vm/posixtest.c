// SPDX-License-Identifier: GPL-2.0-only
/*
 * posixtest DIR [NAME...]: run the cases, or some of them, in directories below
 * DIR; one line "ok NAME", "not ok NAME" or "skip NAME" each.
 */
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "posixtest.h"

#define CASE_SECONDS 600

void failed(const char *file, int line, const char *what)
{
	printf("  %s:%d: not so: %s\n", file, line, what);
	fflush(stdout);
	_exit(1);
}

void skip(const char *why)
{
	printf("  not there: %s: %m\n", why);
	fflush(stdout);
	_exit(STATUS_SKIP);
}

int works(long ret, const char *file, int line, const char *what)
{
	if (ret >= 0)
		return (int)ret;
	printf("  %s:%d: %s gave %s\n", file, line, what,
	       strerrorname_np(errno));
	fflush(stdout);
	_exit(1);
}

int works_or_skip(long ret, const char *file, int line, const char *what)
{
	if (ret < 0 && (errno == EOPNOTSUPP || errno == EINVAL ||
			errno == ENOSYS || errno == ENOTTY))
		skip(what);
	return works(ret, file, line, what);
}

void fails(long ret, int err, const char *file, int line, const char *what)
{
	int got = ret < 0 ? errno : 0;

	if (got == err)
		return;
	printf("  %s:%d: %s gave %s, not %s\n", file, line, what,
	       got ? strerrorname_np(got) : "success", strerrorname_np(err));
	fflush(stdout);
	_exit(1);
}

void make_file(const char *path, const char *text)
{
	int fd = WORKS(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	MUST(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	WORKS(close(fd));
}

bool has_text(const char *path, const char *text)
{
	char buf[4096] = "";
	int fd = open(path, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	return got == (ssize_t)strlen(text) && !strcmp(buf, text);
}

struct stat stat_of(const char *path)
{
	struct stat st;

	WORKS(lstat(path, &st));
	return st;
}

void as_user(u32 uid, u32 gid, void (*run)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = WORKS(fork());
	if (!pid) {
		WORKS(setgroups(0, NULL));
		WORKS(setresgid(gid, gid, gid));
		WORKS(setresuid(uid, uid, uid));
		run();
		_exit(0);
	}
	WORKS(waitpid(pid, &status, 0));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void remove_tree(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (unlinkat(fd, d->d_name, 0) && errno == EISDIR)
			remove_tree(fd, d->d_name);
	}
	if (dir)
		closedir(dir);
	if (unlinkat(at, name, AT_REMOVEDIR))
		printf("not ok the directory of %s cannot be removed: %m\n",
		       name);
}

/* In a process of its own; its exit status, or 1. */
static int run_case(const struct test *t)
{
	int status;
	pid_t pid;

	if (mkdir(t->name, 0755)) {
		printf("  mkdir %s: %m\n", t->name);
		return 1;
	}
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid) {
		alarm(CASE_SECONDS);
		if (chdir(t->name))
			_exit(1);
		t->run();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	remove_tree(AT_FDCWD, t->name);
	if (WIFSIGNALED(status))
		printf("  killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static const struct test *const groups[] = {
		name_tests, dir_tests,	 data_tests,  map_tests,
		attr_tests, flags_tests, xattr_tests,
	};
	const struct test *t;
	int status, worst = 0;
	u32 i;

	if (argc < 2 || chdir(argv[1])) {
		fprintf(stderr, "usage: posixtest DIR [NAME...]\n");
		return 2;
	}
	umask(0);
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		for (t = groups[i]; t->name; t++) {
			if (!wanted(t->name, argv + 2))
				continue;
			status = run_case(t);
			printf("%s %s\n",
			       status == STATUS_SKIP ? "skip" :
			       status		     ? "not ok" :
						       "ok",
			       t->name);
			if (status && status != STATUS_SKIP)
				worst = 1;
		}
	}
	return worst;
}
