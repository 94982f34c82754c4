// SPDX-License-Identifier: MIT
/*
 * Load for a boot test: starts a process whose threads read patched files all the time, then becomes /guest (guest.c).
 * Which files: those of klp_nonop if there is a file /nonop, else those of klp_sibling. Each thread checks that an answer
 * is one of the two that the file may give, patched or not:
 *   /count   one "FILE patched|original" line for each thread and each kind of answer that it has seen, once
 *   /bad     what was neither
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct reader {
	const char *path;
	const char *original; /* occurs in the unpatched answer */
	const char *patched; /* occurs in the patched answer */
};

enum { THREADS = 5 };

static const struct reader siblings[THREADS] = {
	{ "/proc/cmdline", "rdinit=/init", "nodev\tsysfs" },
	{ "/proc/uptime", ".", "Linux version " },
	{ "/proc/execdomains", "[kernel]", " mark=7369626c696e6721 ret=0\n" },
	{ "/proc/uptime", ".", "Linux version " },
	{ "/proc/execdomains", "[kernel]", " mark=7369626c696e6721 ret=0\n" },
};

static const struct reader nonop[THREADS] = {
	{ "/proc/cmdline", "rdinit=/init", ": mark=6b6c706c696e6b21 after=4711\n" },
	{ "/proc/cmdline", "rdinit=/init", ": mark=6b6c706c696e6b21 after=4711\n" },
	{ "/proc/cmdline", "rdinit=/init", ": mark=6b6c706c696e6b21 after=4711\n" },
	{ "/proc/cmdline", "rdinit=/init", ": mark=6b6c706c696e6b21 after=4711\n" },
	{ "/proc/cmdline", "rdinit=/init", ": mark=6b6c706c696e6b21 after=4711\n" },
};

static void append(const char *path, const char *what, const char *kind)
{
	char line[512];
	int fd = open(path, O_WRONLY | O_APPEND);
	int n = snprintf(line, sizeof line, "%s %s\n", what, kind);

	if (fd >= 0 && write(fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
		_exit(1);
	close(fd);
}

static void *read_on(void *of)
{
	const struct reader *r = of;
	static __thread char text[1 << 14];
	int seen = 0;

	while (access("/proc/version", F_OK) != 0)
		usleep(1000);
	for (;;) {
		int fd = open(r->path, O_RDONLY);
		ssize_t got, have = 0;
		int kind;

		while (fd >= 0 && (got = read(fd, text + have, sizeof text - 1 - (size_t)have)) > 0)
			have += got;
		text[have] = 0;
		close(fd);
		if (strstr(text, r->patched))
			kind = 1;
		else if (strstr(text, r->original))
			kind = 2;
		else {
			append("/bad", r->path, text);
			continue;
		}
		if (!(seen & kind))
			append("/count", r->path, kind == 1 ? "patched" : "original");
		seen |= kind;
		usleep(500); /* one processor is shared with what patches */
	}
}

int main(void)
{
	const struct reader *set = access("/nonop", F_OK) == 0 ? nonop : siblings;
	pthread_t thread;
	int i;

	if (fork() == 0) {
		for (i = 1; i < THREADS; i++)
			if (pthread_create(&thread, NULL, read_on, (void *)&set[i]) != 0)
				append("/bad", "pthread_create", "failed");
		read_on((void *)&set[0]);
	}
	execl("/guest", "/guest", NULL);
	return 1;
}
