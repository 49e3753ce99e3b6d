/* SPDX-License-Identifier: Apache-2.0
 *
 * The sections of INFO about commands.
 */
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "resp/info.h"
#include "resp/table.h"

void resp_info_commandstats(struct resp_info *info)
{
	size_t count;
	const struct resp_command *rows = resp_table_rows(&count);
	for (size_t i = 0; i < count; i++) {
		char name[RESP_NAME_MAX];
		struct resp_stats_sum sum = resp_port_sum(info->call->port, &rows[i]);
		uint64_t us = sum.ns / NS_PER_US;
		if (sum.calls + sum.failed + sum.rejected == 0)
			continue;
		resp_table_name(&rows[i], name);
		resp_text_add(info->text,
			      "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,"
			      "rejected_calls=%llu,failed_calls=%llu\r\n",
			      name, (unsigned long long)sum.calls, (unsigned long long)us,
			      sum.calls == 0 ? 0 : (double)sum.ns / NS_PER_US / (double)sum.calls,
			      (unsigned long long)sum.rejected, (unsigned long long)sum.failed);
	}
}

static double quantile_us(const struct histogram *times, unsigned permille)
{
	return (double)histogram_quantile_ns(times, permille) / NS_PER_US;
}

void resp_info_latencystats(struct resp_info *info)
{
	const struct resp_port *port = info->call->port;
	size_t count;
	const struct resp_command *rows = resp_table_rows(&count);
	for (size_t i = 0; i < count; i++) {
		struct histogram times;
		char name[RESP_NAME_MAX];
		if (!resp_port_times(port, &rows[i], &times))
			continue;
		resp_table_name(&rows[i], name);
		resp_text_add(info->text,
			      "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n", name,
			      quantile_us(&times, 500), quantile_us(&times, 990),
			      quantile_us(&times, 999));
	}
}

static int compare_prefixes(const void *a, const void *b)
{
	return strcmp(((const struct resp_stats_error *)a)->text,
		      ((const struct resp_stats_error *)b)->text);
}

void resp_info_errorstats(struct resp_info *info)
{
	const struct resp_port *port = info->call->port;
	struct resp_stats_errors errors = {0};
	for (unsigned i = 0; i < port->node.worker_count; i++)
		resp_stats_sum_errors(resp_port_stats(port, i), &errors);
	qsort(errors.items, errors.count, sizeof(errors.items[0]), compare_prefixes);
	for (size_t i = 0; i < errors.count; i++) {
		if (errors.items[i].count > 0)
			resp_text_add(info->text, "errorstat_%s:count=%llu\r\n",
				      errors.items[i].text,
				      (unsigned long long)errors.items[i].count);
	}
}
