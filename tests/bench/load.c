/* SPDX-License-Identifier: Apache-2.0
 *
 * bench/load - load generator for servers that speak RESP or memcached's text
 * protocol.
 *
 * Why     Servers are compared with one generator that costs little itself, checks
 *         every reply, and reports the server's CPU time per request: on a shared
 *         machine that is the figure that stays the same from run to run.
 * Thread  The main thread connects, starts one thread per client and takes the
 *         clocks. A barrier that all pass at the same steps keeps them apart: a phase is
 *         there, it is prepared, it begins, it has ended. So the clocks see nothing of
 *         the preparation.
 */
#include <err.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "load/client.h"
#include "load/options.h"
#include "load/report.h"

struct run {
	struct load_options options;
	struct load_client *clients[LOAD_THREADS_MAX];
	pthread_t threads[LOAD_THREADS_MAX];
	pthread_barrier_t step;
	const struct load_phase *phase; /* NULL: no more; written while no phase runs */
};

struct thread_args {
	struct run *run;
	struct load_client *client;
};

static void *thread_main(void *arg)
{
	struct thread_args args = *(struct thread_args *)arg;
	free(arg);
	for (;;) {
		pthread_barrier_wait(&args.run->step);
		if (args.run->phase == NULL)
			return NULL;
		load_client_prepare(args.client, args.run->phase);
		pthread_barrier_wait(&args.run->step);
		pthread_barrier_wait(&args.run->step);
		load_client_run(args.client);
		pthread_barrier_wait(&args.run->step);
	}
}

static void raise_descriptor_limit(unsigned connections)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "getrlimit");
	rlim_t needed = (rlim_t)connections + 64;
	if (limit.rlim_cur >= needed)
		return;
	limit.rlim_cur = needed;
	if (limit.rlim_max < needed)
		limit.rlim_max = needed;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		err(1, "%u connections need `ulimit -n %llu`", connections,
		    (unsigned long long)needed);
}

static void run_start(struct run *run)
{
	const struct load_options *o = &run->options;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *servers[LOAD_SERVERS_MAX];
	for (unsigned i = 0; i < o->port_count; i++) {
		int error = getaddrinfo(o->host, o->ports[i], &hints, &servers[i]);
		if (error != 0)
			errx(1, "%s: %s", o->host, gai_strerror(error));
	}
	if (pthread_barrier_init(&run->step, NULL, o->threads + 1) != 0)
		errx(1, "pthread_barrier_init failed");
	for (unsigned i = 0; i < o->threads; i++) {
		run->clients[i] = load_client_create(o, i, (const struct addrinfo *const *)servers);
		struct thread_args *args = malloc(sizeof(*args));
		if (args == NULL)
			err(1, "thread %u", i);
		*args = (struct thread_args){.run = run, .client = run->clients[i]};
		if (pthread_create(&run->threads[i], NULL, thread_main, args) != 0)
			errx(1, "thread %u cannot be started", i);
	}
	for (unsigned i = 0; i < o->port_count; i++)
		freeaddrinfo(servers[i]);
}

static void run_phase(struct run *run, const struct load_phase *phase, struct load_report *report)
{
	const struct load_options *o = &run->options;
	*report = (struct load_report){.options = o};
	run->phase = phase;
	pthread_barrier_wait(&run->step); /* there */
	pthread_barrier_wait(&run->step); /* prepared */
	uint64_t server_ns = load_servers_cpu_ns(o);
	uint64_t client_ns = load_cpu_ns(0);
	uint64_t start_ns = load_clock_ns();
	pthread_barrier_wait(&run->step); /* begins */
	pthread_barrier_wait(&run->step); /* has ended */
	report->wall_ns = load_clock_ns() - start_ns;
	report->client_cpu_ns = load_cpu_ns(0) - client_ns;
	report->server_cpu_ns = load_servers_cpu_ns(o) - server_ns;
	for (unsigned i = 0; i < o->threads; i++)
		load_report_add(report, load_client_result(run->clients[i]));
}

/* A phase before the measured one: the measurement makes no sense if it fails. */
static void run_preparation(struct run *run, const struct load_phase *phase, const char *name)
{
	struct load_report report;
	run_phase(run, phase, &report);
	if (!load_report_is_clean(&report))
		errx(1, "%s: %s", name, report.total.first_wrong);
}

static void run_stop(struct run *run)
{
	run->phase = NULL;
	pthread_barrier_wait(&run->step);
	for (unsigned i = 0; i < run->options.threads; i++) {
		pthread_join(run->threads[i], NULL);
		load_client_destroy(run->clients[i]);
	}
	pthread_barrier_destroy(&run->step);
}

/* How long and how many: an open loop has its number of requests from the start. */
static struct load_phase timed_phase(const struct load_options *o, uint64_t duration_ns)
{
	struct load_phase phase = {.command = o->command,
				   .requests = UINT64_MAX,
				   .duration_ns = duration_ns,
				   .rate = o->rate};
	if (o->rate != 0)
		phase.requests =
		    (uint64_t)(((unsigned __int128)o->rate * duration_ns + 999999999) / 1000000000);
	return phase;
}

/* The phase that the options ask for. */
static struct load_phase measured_phase(const struct load_options *o)
{
	struct load_phase phase = timed_phase(o, o->duration_ns);
	if (o->every_key || o->requests != 0) {
		phase.requests = o->every_key ? o->keys : o->requests;
		phase.duration_ns = UINT64_MAX;
	}
	phase.in_order = o->every_key;
	if (o->trace != NULL && (phase.trace = fopen(o->trace, "we")) == NULL)
		err(1, "%s", o->trace);
	return phase;
}

static void close_trace(const struct load_options *o, FILE *trace)
{
	bool failed = ferror(trace);
	if (fclose(trace) != 0 || failed)
		errx(1, "%s was not written", o->trace);
}

static void on_interrupt(int number)
{
	(void)number;
	load_clients_end();
}

int main(int argc, char **argv)
{
	static struct run run;
	const struct load_options *o = &run.options;
	const struct sigaction interrupt = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};
	load_options_parse(&run.options, argc, argv);
	if (sigaction(SIGINT, &interrupt, NULL) != 0)
		err(1, "SIGINT");
	raise_descriptor_limit(o->connections);
	/* Waits of an open loop end when they should, not up to 50 us later. */
	if (prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0) != 0)
		err(1, "prctl");
	run_start(&run);

	if (o->fill) {
		struct load_phase fill = {.command = LOAD_SET,
					  .requests = o->keys,
					  .duration_ns = UINT64_MAX,
					  .in_order = true};
		run_preparation(&run, &fill, "fill");
	}
	if (o->warmup_ns != 0) {
		struct load_phase warmup = timed_phase(o, o->warmup_ns);
		run_preparation(&run, &warmup, "warm-up");
	}
	struct load_phase measured = measured_phase(o);
	struct load_report report;
	run_phase(&run, &measured, &report);
	if (measured.trace != NULL)
		close_trace(o, measured.trace);
	run_stop(&run);

	load_report_print(&report);
	if (report.total.first_wrong[0] != '\0')
		warnx("first wrong: %s", report.total.first_wrong);
	if (fflush(stdout) != 0)
		err(1, "standard output");
	return load_report_is_clean(&report) ? 0 : 1;
}
