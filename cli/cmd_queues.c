/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_queues - the command that shows the work queues.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/print.h"
#include "cli/table.h"
#include "cli/text.h"

enum { KIND_NAME_MAX = 64 };

/* The protocol allows a message to be absent: then it is all zeros. */
static const Dhtd__Admin__Quantiles no_quantiles = DHTD__ADMIN__QUANTILES__INIT;
static const Dhtd__Admin__DispatcherQueue no_dispatcher = DHTD__ADMIN__DISPATCHER_QUEUE__INIT;

static const Dhtd__Admin__Quantiles *quantiles(const Dhtd__Admin__Quantiles *given)
{
	return given != NULL ? given : &no_quantiles;
}

static const Dhtd__Admin__DispatcherQueue *dispatcher_of(const Dhtd__Admin__QueuesResponse *queues)
{
	return queues->dispatcher != NULL ? queues->dispatcher : &no_dispatcher;
}

static json_t *quantiles_json(const Dhtd__Admin__Quantiles *given)
{
	const Dhtd__Admin__Quantiles *q = quantiles(given);
	json_t *object = cli_json_object();
	cli_json_set(object, "p50", cli_json_u64(q->p50));
	cli_json_set(object, "p99", cli_json_u64(q->p99));
	cli_json_set(object, "max", cli_json_u64(q->max));
	return object;
}

static json_t *kinds_json(const Dhtd__Admin__WorkerQueue *worker)
{
	json_t *object = cli_json_object();
	for (size_t i = 0; i < worker->n_kinds; i++) {
		char name[KIND_NAME_MAX];
		snprintf(name, sizeof(name), "%s", worker->kinds[i]->name);
		cli_text_clean(name);
		cli_json_set(object, name, cli_json_u64(worker->kinds[i]->count));
	}
	return object;
}

static json_t *worker_json(const Dhtd__Admin__WorkerQueue *worker)
{
	json_t *object = cli_json_object();
	cli_json_set(object, "worker", cli_json_u64(worker->worker));
	cli_json_set(object, "depth", cli_json_u64(worker->depth));
	cli_json_set(object, "depth_max", cli_json_u64(worker->depth_max));
	cli_json_set(object, "jobs", cli_json_u64(worker->jobs));
	cli_json_set(object, "busy", cli_json_double(worker->busy));
	cli_json_set(object, "connections", cli_json_u64(worker->connections));
	cli_json_set(object, "wait_us", quantiles_json(worker->wait_us));
	cli_json_set(object, "run_us", quantiles_json(worker->run_us));
	cli_json_set(object, "kinds", kinds_json(worker));
	cli_json_set(object, "requests", cli_json_u64(worker->requests));
	cli_json_set(object, "full", cli_json_u64(worker->full));
	return object;
}

static json_t *command_json(const Dhtd__Admin__CommandCalls *command)
{
	json_t *object = cli_json_object();
	cli_json_set(object, "name", cli_json_text(command->name));
	cli_json_set(object, "calls", cli_json_u64(command->calls));
	cli_json_set(object, "failed", cli_json_u64(command->failed));
	cli_json_set(object, "rejected", cli_json_u64(command->rejected));
	cli_json_set(object, "time_us", quantiles_json(command->time_us));
	return object;
}

static void print_json(const Dhtd__Admin__QueuesResponse *queues)
{
	const Dhtd__Admin__DispatcherQueue *dispatcher = dispatcher_of(queues);
	json_t *result = cli_json_result();
	json_t *workers = json_array();
	for (size_t i = 0; i < queues->n_workers; i++)
		cli_json_append(workers, worker_json(queues->workers[i]));
	cli_json_set(result, "workers", workers);
	json_t *object = cli_json_object();
	cli_json_set(object, "parked", cli_json_u64(dispatcher->parked));
	cli_json_set(object, "dispatched", cli_json_u64(dispatcher->dispatched));
	cli_json_set(object, "accepted", cli_json_u64(dispatcher->accepted));
	cli_json_set(object, "waiting", cli_json_u64(dispatcher->waiting));
	cli_json_set(object, "refused", cli_json_u64(dispatcher->refused));
	cli_json_set(result, "dispatcher", object);
	json_t *commands = json_array();
	for (size_t i = 0; i < queues->n_commands; i++)
		cli_json_append(commands, command_json(queues->commands[i]));
	cli_json_set(result, "commands", commands);
	cli_json_print(result);
}

static void number_cell(struct cli_table *table, uint64_t number)
{
	cli_table_cell(table, CLI_NO_COLOUR, "%" PRIu64, number);
}

/* A number that is good as long as it is 0. */
static void alarm_cell(struct cli_table *table, uint64_t number)
{
	cli_table_cell(table, number > 0 ? CLI_RED : CLI_NO_COLOUR, "%" PRIu64, number);
}

static void quantile_cells(struct cli_table *table, const Dhtd__Admin__Quantiles *given)
{
	const Dhtd__Admin__Quantiles *q = quantiles(given);
	cli_table_cell(table, CLI_NO_COLOUR, "%" PRIu64 "/%" PRIu64 "/%" PRIu64, q->p50, q->p99,
		       q->max);
}

static void print_workers(const Dhtd__Admin__QueuesResponse *queues)
{
	static const char *const titles[] = {"WORKER",
					     "DEPTH",
					     "MAX",
					     "JOBS",
					     "BUSY",
					     "CONNECTIONS",
					     "REQUESTS",
					     "FULL",
					     "WAIT us p50/p99/max",
					     "RUN us p50/p99/max"};
	struct cli_table *table = cli_table_create();
	for (size_t i = 0; i < DHT_ARRAY_LEN(titles); i++)
		cli_table_column(table, CLI_RIGHT, titles[i]);
	for (size_t i = 0; i < queues->n_workers; i++) {
		const Dhtd__Admin__WorkerQueue *worker = queues->workers[i];
		double busy = isfinite(worker->busy) ? worker->busy : 0.0;
		number_cell(table, worker->worker);
		number_cell(table, worker->depth);
		number_cell(table, worker->depth_max);
		number_cell(table, worker->jobs);
		cli_table_cell(table, CLI_NO_COLOUR, "%.0f%%", busy * 100);
		number_cell(table, worker->connections);
		number_cell(table, worker->requests);
		alarm_cell(table, worker->full);
		quantile_cells(table, worker->wait_us);
		quantile_cells(table, worker->run_us);
	}
	cli_table_print(table);
	cli_table_destroy(table);
}

/* The kinds that any worker has, in the order in which they are met. */
struct kinds {
	const char *names[CLI_TABLE_COLUMNS_MAX - 1];
	size_t count;
};

static void collect_kinds(const Dhtd__Admin__WorkerQueue *worker, struct kinds *kinds)
{
	for (size_t i = 0; i < worker->n_kinds; i++) {
		size_t known = 0;
		while (known < kinds->count &&
		       strcmp(kinds->names[known], worker->kinds[i]->name) != 0)
			known++;
		if (known == kinds->count && known < DHT_ARRAY_LEN(kinds->names))
			kinds->names[kinds->count++] = worker->kinds[i]->name;
	}
}

static uint64_t kind_count(const Dhtd__Admin__WorkerQueue *worker, const char *name)
{
	for (size_t i = 0; i < worker->n_kinds; i++) {
		if (strcmp(worker->kinds[i]->name, name) == 0)
			return worker->kinds[i]->count;
	}
	return 0;
}

static void print_kinds(const Dhtd__Admin__QueuesResponse *queues)
{
	struct kinds kinds = {.count = 0};
	for (size_t i = 0; i < queues->n_workers; i++)
		collect_kinds(queues->workers[i], &kinds);
	if (kinds.count == 0)
		return;
	struct cli_table *table = cli_table_create();
	cli_table_column(table, CLI_RIGHT, "WORKER");
	for (size_t i = 0; i < kinds.count; i++)
		cli_table_column(table, CLI_RIGHT, kinds.names[i]);
	for (size_t i = 0; i < queues->n_workers; i++) {
		number_cell(table, queues->workers[i]->worker);
		for (size_t kind = 0; kind < kinds.count; kind++)
			number_cell(table, kind_count(queues->workers[i], kinds.names[kind]));
	}
	cli_print("\njobs by kind\n");
	cli_table_print(table);
	cli_table_destroy(table);
}

static void print_dispatcher(const Dhtd__Admin__QueuesResponse *queues)
{
	const Dhtd__Admin__DispatcherQueue *dispatcher = dispatcher_of(queues);
	struct cli_table *table = cli_table_create();
	cli_table_column(table, CLI_RIGHT, "PARKED");
	cli_table_column(table, CLI_RIGHT, "DISPATCHED");
	cli_table_column(table, CLI_RIGHT, "ACCEPTED");
	cli_table_column(table, CLI_RIGHT, "WAITING");
	cli_table_column(table, CLI_RIGHT, "REFUSED");
	number_cell(table, dispatcher->parked);
	number_cell(table, dispatcher->dispatched);
	number_cell(table, dispatcher->accepted);
	alarm_cell(table, dispatcher->waiting);
	alarm_cell(table, dispatcher->refused);
	cli_print("\ndispatcher: connections\n");
	cli_table_print(table);
	cli_table_destroy(table);
}

static void print_commands(const Dhtd__Admin__QueuesResponse *queues)
{
	if (queues->n_commands == 0)
		return;
	struct cli_table *table = cli_table_create();
	cli_table_column(table, CLI_LEFT, "COMMAND");
	cli_table_column(table, CLI_RIGHT, "CALLS");
	cli_table_column(table, CLI_RIGHT, "FAILED");
	cli_table_column(table, CLI_RIGHT, "REJECTED");
	cli_table_column(table, CLI_RIGHT, "TIME us p50/p99/max");
	for (size_t i = 0; i < queues->n_commands; i++) {
		const Dhtd__Admin__CommandCalls *command = queues->commands[i];
		cli_table_cell(table, CLI_NO_COLOUR, "%s", command->name);
		number_cell(table, command->calls);
		number_cell(table, command->failed);
		number_cell(table, command->rejected);
		quantile_cells(table, command->time_us);
	}
	cli_print("\ncommands of the client port\n");
	cli_table_print(table);
	cli_table_destroy(table);
}

int cli_command_queues(const struct cli_options *options)
{
	int code = cli_options_expect(options, 0, 0);
	if (code != CLI_EXIT_OK)
		return code;
	Dhtd__Admin__QueuesRequest body = DHTD__ADMIN__QUEUES_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_QUEUES;
	request.queues = &body;
	code = cli_call(options, &request, CLI_CALL_READ, NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	if (options->format == CLI_JSON) {
		print_json(response->queues);
	} else {
		print_workers(response->queues);
		print_kinds(response->queues);
		print_dispatcher(response->queues);
		print_commands(response->queues);
	}
	cli_client_free(response);
	return CLI_EXIT_OK;
}
