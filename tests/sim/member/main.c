/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulator of the control plane: members alone, without keys.
 *
 * usage: sim_member --seeds N [--first S] [--jobs N]
 *        sim_member --seed N [--trace]
 *
 * The last line is `N passed, N failed`. Exits with 1 if anything failed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"

enum { JOBS_MAX = 64 };

struct totals {
	uint64_t passed, failed, epochs, messages, crashes;
};

static void add(struct totals *totals, const struct world *w, bool is_good)
{
	totals->passed += is_good;
	totals->failed += !is_good;
	totals->epochs += w->epochs;
	totals->messages += w->messages;
	totals->crashes += w->crashes;
}

static bool run_seed(uint64_t seed, FILE *trace, struct totals *totals)
{
	struct world w;
	bool is_good = chaos_run(&w, seed, trace);
	add(totals, &w, is_good);
	if (!is_good)
		printf("seed %" PRIu64 ": %s\nreplay: sim_member --seed %" PRIu64 " --trace\n",
		       seed, w.failure, seed);
	world_fini(&w);
	return is_good;
}

/* Every jobs-th seed, up to the first failure. */
static void work(uint64_t first, uint64_t end, unsigned jobs, int out)
{
	struct totals totals = {0};
	for (uint64_t seed = first; seed < end && totals.failed == 0; seed += jobs)
		run_seed(seed, NULL, &totals);
	fflush(stdout);
	_exit(write(out, &totals, sizeof(totals)) == (ssize_t)sizeof(totals) ? 0 : 1);
}

static int run_seeds(uint64_t first, uint64_t count, unsigned jobs)
{
	struct totals sum = {0}, one;
	int pipes[2];
	if (pipe(pipes) != 0)
		return 2;
	for (unsigned i = 0; i < jobs; i++) {
		if (fork() == 0)
			work(first + i, first + count, jobs, pipes[1]);
	}
	close(pipes[1]);
	int broken = 0, status;
	while (read(pipes[0], &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		sum.passed += one.passed;
		sum.failed += one.failed;
		sum.epochs += one.epochs;
		sum.messages += one.messages;
		sum.crashes += one.crashes;
	}
	for (unsigned i = 0; i < jobs; i++) {
		if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			broken++;
	}
	printf("epochs %" PRIu64 ", messages %" PRIu64 ", crashes %" PRIu64 "\n", sum.epochs,
	       sum.messages, sum.crashes);
	if (broken > 0)
		printf("%d of %u processes broke down\n", broken, jobs);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", sum.passed,
	       sum.failed + (uint64_t)broken);
	return broken > 0 || sum.failed > 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"seeds", required_argument, NULL, 'n'}, {"first", required_argument, NULL, 'f'},
	    {"jobs", required_argument, NULL, 'j'},  {"seed", required_argument, NULL, 's'},
	    {"trace", no_argument, NULL, 't'},       {0}};
	uint64_t first = 1, count = 0, seed = 0, jobs = 1;
	bool has_seed = false;
	FILE *trace = NULL;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'n':
			count = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			jobs = strtoull(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			has_seed = true;
			break;
		case 't':
			trace = stdout;
			break;
		default:
			return 2;
		}
	}
	if (has_seed) {
		struct totals totals = {0};
		run_seed(seed, trace, &totals);
		printf("%" PRIu64 " passed, %" PRIu64 " failed\n", totals.passed, totals.failed);
		return totals.failed > 0;
	}
	if (count == 0 || jobs == 0 || jobs > JOBS_MAX) {
		fprintf(
		    stderr,
		    "usage: sim_member --seeds N [--first S] [--jobs N] | --seed N [--trace]\n");
		return 2;
	}
	return run_seeds(first, count, (unsigned)jobs);
}
