/* SPDX-License-Identifier: Apache-2.0
 *
 * The simulator of the register protocol: runs seeds, on several processes, or schedules.
 *
 * usage: sim --seeds N [--first S] [--jobs N]   runs seeds S (1) to S + N - 1, to the first failure
 *        sim --seed N [--trace]                 runs one
 *        sim --schedules                        runs the scripted schedules
 *        sim --schedule NAME [--trace]          runs one
 *
 * --variant NAME, in sim_broken, runs a broken variant of daemon/paxos/variant.h.
 * The last line is `N passed, N failed`. Exits with 1 if anything failed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cluster.h"
#include "schedules.h"

enum { JOBS_MAX = 256, BATCH = 32 /* seeds taken at once */ };

#ifdef DHT_PAXOS_VARIANT
unsigned sim_broken_variant;

static const char *const variant_names[] = {"AS_WRITTEN",
#define X(name, text) #name,
					    PAXOS_VARIANTS(X)
#undef X
};

static void choose_variant(const char *name)
{
	for (unsigned i = 0; i < DHT_ARRAY_LEN(variant_names); i++) {
		if (strcmp(name, variant_names[i]) == 0) {
			sim_broken_variant = i;
			return;
		}
	}
	fprintf(stderr, "sim: there is no variant %s\n", name);
	exit(2);
}
#else
static void choose_variant(const char *name)
{
	fprintf(stderr, "sim: %s is not in this program, but in sim_broken\n", name);
	exit(2);
}
#endif

static struct cluster *make_cluster(void)
{
	struct cluster *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		perror("sim");
		exit(2);
	}
	return c;
}

static const char *variant_argument(void)
{
#ifdef DHT_PAXOS_VARIANT
	static char text[80];
	if (sim_broken_variant != PAXOS_AS_WRITTEN)
		snprintf(text, sizeof(text), " --variant %s", variant_names[sim_broken_variant]);
	return text;
#else
	return "";
#endif
}

static void print_failure(const struct cluster *c)
{
	printf("seed %" PRIu64 ": %s", c->seed, c->failure);
	if (c->failed_key >= 0) {
		printf(" (key %d)\n", c->failed_key);
		history_print(&c->history, (unsigned)c->failed_key, stdout);
	} else {
		printf("\n");
	}
	printf("replay: tests/sim/run --seed %" PRIu64 " --trace%s\n", c->seed, variant_argument());
	fflush(stdout);
}

/* X(field of the cluster's count, what it is called) */
#define COUNTS(X)                                                                                  \
	X(operations, "operations")                                                                \
	X(unknown, "of unknown outcome")                                                           \
	X(not_done, "not done")                                                                    \
	X(forwards, "forwarded")                                                                   \
	X(crashes, "crashes")                                                                      \
	X(changes, "changes")                                                                      \
	X(adoptions, "adoptions")                                                                  \
	X(recoveries, "recoveries")                                                                \
	X(erasures, "erasures")                                                                    \
	X(littered, "records of litter")                                                           \
	X(cold, "cold records")                                                                    \
	X(compactions, "compaction steps")                                                         \
	X(events, "events")                                                                        \
	X(steps, "steps of nodes")                                                                 \
	X(too_large, "histories too large to judge")

struct shared {
	_Atomic uint64_t next;          /* seed */
	_Atomic uint64_t lowest_failed; /* seed, UINT64_MAX for none */
	_Atomic uint64_t passed;
#define X(name, text) _Atomic uint64_t name;
	COUNTS(X)
#undef X
};

static void add_counts(struct shared *shared, const struct cluster *c)
{
#define X(name, text) shared->name += c->count.name;
	COUNTS(X)
#undef X
}

/* Runs batches until there is none below the lowest seed that failed. */
static void work(struct shared *shared, uint64_t end)
{
	struct cluster *c = make_cluster();
	for (;;) {
		uint64_t first = atomic_fetch_add(&shared->next, BATCH);
		if (first >= end)
			break;
		for (uint64_t seed = first; seed < first + BATCH && seed < end; seed++) {
			if (seed > atomic_load(&shared->lowest_failed))
				break;
			const char *failure = cluster_run(c, seed, NULL);
			add_counts(shared, c);
			if (failure == NULL) {
				shared->passed++;
				continue;
			}
			uint64_t lowest = atomic_load(&shared->lowest_failed);
			while (seed < lowest &&
			       !atomic_compare_exchange_weak(&shared->lowest_failed, &lowest, seed))
				;
			break;
		}
	}
	free(c);
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Of all workers, once they have ended. */
static uint64_t cpu_ms(void)
{
	struct rusage used;
	getrusage(RUSAGE_CHILDREN, &used);
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static void print_counts(const struct shared *s, uint64_t began_ms)
{
	uint64_t took_ms = now_ms() - began_ms, seeds = s->passed > 0 ? s->passed : 1;
#define X(name, text) printf("%" PRIu64 " " text ", ", s->name);
	COUNTS(X)
#undef X
	printf("\n%" PRIu64 " ms, %.2f ms of CPU a seed\n", took_ms,
	       (double)cpu_ms() / (double)seeds);
}

/* Waits for all. Returns the number of those that did not end well: an assertion of ours. */
static int wait_for_workers(unsigned count)
{
	int broken = 0;
	for (unsigned i = 0; i < count; i++) {
		int status;
		if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
			broken++;
	}
	return broken;
}

static int run_seeds(uint64_t first, uint64_t count, unsigned jobs)
{
	struct shared *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("sim");
		return 2;
	}
	uint64_t began_ms = now_ms();
	shared->next = first;
	shared->lowest_failed = UINT64_MAX;
	for (unsigned i = 0; i < jobs; i++) {
		if (fork() == 0) {
			work(shared, first + count);
			exit(0);
		}
	}
	int broken = wait_for_workers(jobs);
	print_counts(shared, began_ms);
	bool has_failed = shared->lowest_failed != UINT64_MAX;
	if (has_failed) {
		struct cluster *c = make_cluster();
		cluster_run(c, shared->lowest_failed, NULL);
		print_failure(c);
		free(c);
	}
	if (broken > 0)
		printf("%d of %u processes broke down\n", broken, jobs);
	uint64_t passed = has_failed ? shared->lowest_failed - first : shared->passed;
	printf("%" PRIu64 " passed, %d failed\n", passed, broken + (has_failed ? 1 : 0));
	return broken > 0 || has_failed;
}

static int run_seed(uint64_t seed, FILE *trace)
{
	struct cluster *c = make_cluster();
	bool has_failed = cluster_run(c, seed, trace) != NULL;
	if (has_failed)
		print_failure(c);
	printf("%d passed, %d failed\n", !has_failed, has_failed);
	free(c);
	return has_failed;
}

static int run_schedules(const char *name, FILE *trace)
{
	struct cluster *c = make_cluster();
	int passed = 0, failed = 0;
	for (const struct schedule *s = schedules; s->name != NULL; s++) {
		if (name != NULL && strcmp(name, s->name) != 0)
			continue;
		const char *failure = schedules_run(s, c, trace);
		printf("%-16s %s%s\n", s->name, failure != NULL ? "FAILED: " : "",
		       failure != NULL ? failure : "as it should be");
		if (failure != NULL && trace != NULL)
			history_print(&c->history, 0, stdout);
		passed += failure == NULL;
		failed += failure != NULL;
	}
	free(c);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}

static uint64_t number(const char *text)
{
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != 0) {
		fprintf(stderr, "sim: %s is not a number\n", text);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
						{"first", required_argument, NULL, 'f'},
						{"jobs", required_argument, NULL, 'j'},
						{"seed", required_argument, NULL, 's'},
						{"schedules", no_argument, NULL, 'S'},
						{"schedule", required_argument, NULL, 'N'},
						{"trace", no_argument, NULL, 't'},
						{"variant", required_argument, NULL, 'v'},
						{0}};
	uint64_t first = 1, count = 0, seed = 0, jobs = 1;
	bool has_seed = false, has_schedules = false;
	const char *schedule = NULL;
	FILE *trace = NULL;
	log_set_level(LOG_warn);
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'n':
			count = number(optarg);
			break;
		case 'f':
			first = number(optarg);
			break;
		case 'j':
			jobs = number(optarg);
			break;
		case 's':
			seed = number(optarg);
			has_seed = true;
			break;
		case 'N':
			schedule = optarg;
			has_schedules = true;
			break;
		case 'S':
			has_schedules = true;
			break;
		case 't':
			trace = stdout;
			break;
		case 'v':
			choose_variant(optarg);
			break;
		default:
			return 2;
		}
	}
	if (has_schedules)
		return run_schedules(schedule, trace);
	if (has_seed)
		return run_seed(seed, trace);
	if (count == 0 || jobs == 0 || jobs > JOBS_MAX) {
		fprintf(stderr, "usage: sim --seeds N [--first S] [--jobs N] | --seed N [--trace] |"
				" --schedules | --schedule NAME [--trace]\n");
		return 2;
	}
	return run_seeds(first, count, (unsigned)jobs);
}
