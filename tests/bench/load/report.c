/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t load_cpu_ns(pid_t pid)
{
	clockid_t clock;
	struct timespec t;
	/* Returns the error, does not set errno. */
	errno = clock_getcpuclockid(pid, &clock);
	if (errno != 0 || clock_gettime(clock, &t) != 0)
		err(1, "CPU time of process %d", (int)pid);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t load_servers_cpu_ns(const struct load_options *o)
{
	uint64_t ns = 0;
	for (unsigned i = 0; i < o->server_pid_count; i++)
		ns += load_cpu_ns(o->server_pids[i]);
	return ns;
}

void load_report_add(struct load_report *r, const struct load_result *result)
{
	struct load_result *total = &r->total;
	total->answered += result->answered;
	total->misses += result->misses;
	total->refused += result->refused;
	total->mismatched += result->mismatched;
	total->lost += result->lost;
	total->unsent += result->unsent;
	total->disconnected += result->disconnected;
	histogram_merge(&total->latency, &result->latency);
	if (result->gap_ns > total->gap_ns)
		total->gap_ns = result->gap_ns;
	if (total->first_wrong[0] == '\0')
		memcpy(total->first_wrong, result->first_wrong, sizeof(total->first_wrong));
}

bool load_report_is_clean(const struct load_report *r)
{
	const struct load_result *t = &r->total;
	return t->refused + t->mismatched + t->lost + t->unsent + t->disconnected == 0;
}

static double per_request_us(uint64_t ns, uint64_t requests)
{
	return requests == 0 ? 0 : (double)ns / 1e3 / (double)requests;
}

static double quantile_us(const struct load_report *r, unsigned permille)
{
	return (double)histogram_quantile_ns(&r->total.latency, permille) / 1e3;
}

static void print_json(const struct load_report *r, double seconds)
{
	const struct load_options *o = r->options;
	const struct load_result *t = &r->total;
	printf("{\"protocol\":\"%s\",\"command\":\"%s\",\"connections\":%u,\"pipeline\":%u,"
	       "\"threads\":%u,\"keys\":%" PRIu64
	       ",\"value_size_bytes\":%zu,\"target_rate\":%" PRIu64,
	       load_protocol_name(o->protocol), load_command_name(o->command), o->connections,
	       o->pipeline, o->threads, o->keys, o->value_size_bytes, o->rate);
	printf(",\"requests\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.1f,\"misses\":%" PRIu64
	       ",\"errors\":%" PRIu64 ",\"mismatches\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"unsent\":%" PRIu64 ",\"disconnected\":%" PRIu64,
	       t->answered, seconds, (double)t->answered / seconds, t->misses, t->refused,
	       t->mismatched, t->lost, t->unsent, t->disconnected);
	printf(",\"latency_us\":{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}",
	       quantile_us(r, 500), quantile_us(r, 990), quantile_us(r, 999),
	       (double)histogram_max_ns(&t->latency) / 1e3);
	printf(",\"gap_us\":%.3f", (double)t->gap_ns / 1e3);
	printf(",\"client_cpu_us\":%.4f,\"server_cpu_us\":",
	       per_request_us(r->client_cpu_ns, t->answered));
	if (o->server_pid_count > 0)
		printf("%.4f}\n", per_request_us(r->server_cpu_ns, t->answered));
	else
		printf("null}\n");
}

static void print_text(const struct load_report *r, double seconds)
{
	const struct load_options *o = r->options;
	const struct load_result *t = &r->total;
	printf("%s %s %u x %u: %" PRIu64 " requests in %.3f s = %.0f/s, %" PRIu64 " errors",
	       load_protocol_name(o->protocol), load_command_name(o->command), o->connections,
	       o->pipeline, t->answered, seconds, (double)t->answered / seconds,
	       t->refused + t->mismatched + t->lost + t->unsent);
	if (o->command == LOAD_GET)
		printf(", %" PRIu64 " misses", t->misses);
	printf("; latency us p50 %.1f p99 %.1f p99.9 %.1f max %.1f", quantile_us(r, 500),
	       quantile_us(r, 990), quantile_us(r, 999),
	       (double)histogram_max_ns(&t->latency) / 1e3);
	printf("; CPU us/request client %.3f", per_request_us(r->client_cpu_ns, t->answered));
	if (o->server_pid_count > 0)
		printf(" server %.3f", per_request_us(r->server_cpu_ns, t->answered));
	putchar('\n');
}

void load_report_print(const struct load_report *r)
{
	double seconds = (double)r->wall_ns / 1e9;
	if (r->options->json)
		print_json(r, seconds);
	else
		print_text(r, seconds);
}
