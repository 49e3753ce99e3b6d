/* SPDX-License-Identifier: Apache-2.0 */
#include "resp/port.h"

#include <stdlib.h>

#include "io/clock.h"
#include "resp/serve.h"

void resp_port_init(struct resp_port *port)
{
	*port = (struct resp_port){.protocol = resp_serve_protocol};
	resp_stats_shared_init(&port->stats);
}

void resp_port_fini(struct resp_port *port)
{
	resp_stats_shared_fini(&port->stats);
	free(port->node.executable);
	free(port->node.config_file);
	port->node.executable = port->node.config_file = NULL;
}

const struct resp_stats *resp_port_stats(const struct resp_port *port, unsigned i)
{
	return resp_scratch_stats(port->node.workers[i].resp);
}

struct resp_stats_total resp_port_total(const struct resp_port *port)
{
	struct resp_stats_total total = {0};
	for (unsigned i = 0; i < port->node.worker_count; i++)
		resp_stats_sum_total(resp_port_stats(port, i), &total);
	return total;
}

struct resp_stats_sum resp_port_sum(const struct resp_port *port,
				    const struct resp_command *command)
{
	struct resp_stats_sum sum = {0};
	for (unsigned i = 0; i < port->node.worker_count; i++)
		resp_stats_sum_row(resp_port_stats(port, i), command, &sum);
	return sum;
}

bool resp_port_times(const struct resp_port *port, const struct resp_command *command,
		     struct histogram *times)
{
	histogram_init(times);
	for (unsigned i = 0; i < port->node.worker_count; i++)
		resp_stats_sum_times(resp_port_stats(port, i), command, times);
	return histogram_count(times) > 0;
}

void resp_port_sample(struct resp_port *port, uint64_t now_ns)
{
	uint64_t elapsed_ns = now_ns - port->sampled_ns;
	uint64_t calls = resp_port_total(port).calls;
	/* After a reset there are fewer. */
	uint64_t ran = calls >= port->sampled_calls ? calls - port->sampled_calls : calls;
	if (elapsed_ns == 0)
		return;
	if (port->sampled_ns != 0)
		atomic_store_explicit(&port->requests_per_s, ran * NS_PER_S / elapsed_ns,
				      memory_order_relaxed);
	port->sampled_ns = now_ns;
	port->sampled_calls = calls;
}
