/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz/replay - runs a fuzz target over files instead of generated inputs.
 *
 * Why     Every input that once found something, and the corpus, are a test of
 *         every build, with any compiler and sanitizer, not of libFuzzer's alone.
 *
 * Usage: fuzz_TARGET PATH...; a PATH is a file, or a directory whose files are taken
 * in the order of their names. Each name is printed before its run: the last line
 * of a crash tells the input. No input at all is a failure, not a success.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger than any message that a target takes, so that a stray file is noticed. */
enum { INPUT_MAX = 64 * 1024 * 1024 };

static void read_all(int fd, uint8_t *data, size_t size, const char *path)
{
	for (size_t at = 0; at < size;) {
		ssize_t got = read(fd, data + at, size - at);
		if (got < 0)
			err(1, "%s", path);
		if (got == 0)
			errx(1, "%s: shrank while it was read", path);
		at += (size_t)got;
	}
}

static void run_file(int fd, size_t size, const char *path)
{
	if (size > INPUT_MAX)
		errx(1, "%s: larger than %d bytes", path, INPUT_MAX);
	/* Exactly as large as the input: a sanitizer sees a read behind it. */
	uint8_t *data = malloc(size);
	if (data == NULL && size > 0)
		err(1, "%s", path);
	read_all(fd, data, size, path);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static unsigned run_path(const char *path);

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static unsigned run_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, alphasort);
	if (count < 0)
		err(1, "%s", path);
	unsigned ran = 0;
	for (int i = 0; i < count; i++) {
		char *name;
		if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
			errx(1, "out of memory");
		ran += run_path(name);
		free(name);
		free(entries[i]);
	}
	free(entries);
	return ran;
}

/* Returns the number of inputs run. */
static unsigned run_path(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		err(1, "%s", path);
	unsigned ran = 0;
	if (S_ISDIR(st.st_mode)) {
		ran = run_directory(path);
	} else {
		run_file(fd, (size_t)st.st_size, path);
		ran = 1;
	}
	close(fd);
	return ran;
}

int main(int argc, char **argv)
{
	unsigned ran = 0;
	for (int i = 1; i < argc; i++)
		ran += run_path(argv[i]);
	if (ran == 0)
		errx(1, "no input files");
	printf("%u inputs\n", ran);
	return 0;
}
