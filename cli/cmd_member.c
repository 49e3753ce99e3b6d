/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_member - the commands that change the members of the cluster, or show them: join,
 * leave, remove, replace, node, plan, job.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cli/argument.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/job.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/nodes.h"
#include "cli/print.h"
#include "cli/text.h"

enum { WEIGHT_MAX = 10000 };

/* protobuf-c declares strings as writable and does not write them. */
static char *text_of(const char *text)
{
	return (char *)(uintptr_t)(text != NULL ? text : "");
}

/* 0: it was not given. */
static int take_weight(const struct cli_options *options, uint32_t *weight)
{
	int64_t number = 0;
	*weight = 0;
	if (options->weight == NULL)
		return CLI_EXIT_OK;
	int code = cli_argument_amount(options, options->weight, &number);
	if (code != CLI_EXIT_OK)
		return code;
	if (number < 1 || number > WEIGHT_MAX)
		return cli_command_misused(options->command, "a weight is a number from 1 to %d",
					   WEIGHT_MAX);
	*weight = (uint32_t)number;
	return CLI_EXIT_OK;
}

/* ---- join, leave, remove, replace -------------------------------------------------------- */

static int call_change(const struct cli_options *options, Dhtd__Admin__AdminRequest *request,
		       Dhtd__Admin__AdminResponse **response)
{
	return cli_call(options, request, CLI_CALL_CHANGE, NULL, response);
}

int cli_command_join(const struct cli_options *options)
{
	Dhtd__Admin__JoinRequest body = DHTD__ADMIN__JOIN_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int code = cli_options_expect(options, 0, 1);
	if (code == CLI_EXIT_OK)
		code = take_weight(options, &body.weight);
	if (code != CLI_EXIT_OK)
		return code;
	body.address = text_of(options->operand_count > 0 ? options->operands[0] : NULL);
	body.zone = text_of(options->zone);
	body.discard_data = options->discards_data;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_JOIN;
	request.join = &body;
	code = call_change(options, &request, &response);
	if (code == CLI_EXIT_OK)
		code = cli_job_follow(options, response->join->ticket);
	cli_client_free(response);
	return code;
}

int cli_command_leave(const struct cli_options *options)
{
	Dhtd__Admin__LeaveRequest body = DHTD__ADMIN__LEAVE_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int code = cli_options_expect(options, 0, 0);
	if (code != CLI_EXIT_OK)
		return code;
	body.force = options->is_forced;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LEAVE;
	request.leave = &body;
	code = call_change(options, &request, &response);
	if (code == CLI_EXIT_OK)
		code = cli_job_follow(options, response->leave->ticket);
	cli_client_free(response);
	return code;
}

int cli_command_remove(const struct cli_options *options)
{
	Dhtd__Admin__RemoveRequest body = DHTD__ADMIN__REMOVE_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int code = cli_options_expect(options, 1, 1);
	if (code != CLI_EXIT_OK)
		return code;
	body.node = text_of(options->operands[0]);
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_REMOVE;
	request.remove = &body;
	code = call_change(options, &request, &response);
	if (code == CLI_EXIT_OK)
		code = cli_job_follow(options, response->remove->ticket);
	cli_client_free(response);
	return code;
}

int cli_command_replace(const struct cli_options *options)
{
	Dhtd__Admin__ReplaceRequest body = DHTD__ADMIN__REPLACE_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int code = cli_options_expect(options, 1, 2);
	if (code == CLI_EXIT_OK)
		code = take_weight(options, &body.weight);
	if (code != CLI_EXIT_OK)
		return code;
	body.node = text_of(options->operands[0]);
	body.address = text_of(options->operand_count > 1 ? options->operands[1] : NULL);
	body.zone = text_of(options->zone);
	body.discard_data = options->discards_data;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_REPLACE;
	request.replace = &body;
	code = call_change(options, &request, &response);
	if (code == CLI_EXIT_OK)
		code = cli_job_follow(options, response->replace->ticket);
	cli_client_free(response);
	return code;
}

/* ---- Actions ----------------------------------------------------------------------------- */

/* The first operand is an action; returns its place among the names, or a negative number after
 * saying what is wrong. operands[i]: the least and the most operands of action i, itself
 * included. */
struct action {
	const char *name;
	size_t min, max;
};

static int take_action(const struct cli_options *options, const struct action *actions,
		       size_t count)
{
	const char *names[8];
	DHT_ASSERT(count <= DHT_ARRAY_LEN(names));
	if (options->operand_count == 0)
		return -cli_command_misused(options->command, "an action is missing");
	const char *typed = options->operands[0];
	for (size_t i = 0; i < count; i++) {
		names[i] = actions[i].name;
		if (strcmp(typed, actions[i].name) != 0)
			continue;
		int code = cli_options_expect(options, actions[i].min, actions[i].max);
		return code == CLI_EXIT_OK ? (int)i : -code;
	}
	return -cli_command_misspelt(options->command, "action", typed, names, count);
}

/* ---- node -------------------------------------------------------------------------------- */

static void print_nodes(const struct cli_options *options, const Dhtd__Admin__NodeResponse *nodes,
			bool is_one)
{
	if (options->format != CLI_JSON) {
		cli_nodes_print(nodes->nodes, nodes->n_nodes);
		return;
	}
	json_t *result = cli_json_result();
	cli_json_set(result, "epoch", cli_json_u64(nodes->epoch));
	if (is_one && nodes->n_nodes == 1) {
		cli_json_set(result, "node", cli_nodes_json(nodes->nodes[0]));
	} else {
		json_t *list = json_array();
		for (size_t i = 0; i < nodes->n_nodes; i++)
			cli_json_append(list, cli_nodes_json(nodes->nodes[i]));
		cli_json_set(result, "nodes", list);
	}
	cli_json_print(result);
}

int cli_command_node(const struct cli_options *options)
{
	static const struct action actions[] = {{"ls", 1, 1}, {"show", 2, 2}, {"set", 2, 2}};
	enum { LS, SHOW, SET };
	Dhtd__Admin__NodeRequest body = DHTD__ADMIN__NODE_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int action = take_action(options, actions, DHT_ARRAY_LEN(actions));
	if (action < 0)
		return -action;
	int code = take_weight(options, &body.weight);
	if (code != CLI_EXIT_OK)
		return code;
	body.zone = text_of(options->zone);
	bool sets = body.zone[0] != '\0' || body.weight != 0;
	if (sets != (action == SET))
		return cli_command_misused(options->command, sets ? "only set changes a node"
								  : "set what? --zone or --weight");
	body.node = text_of(action == LS ? NULL : options->operands[1]);
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_NODE;
	request.node = &body;
	code = cli_call(options, &request, sets ? CLI_CALL_CHANGE : CLI_CALL_READ, NULL, &response);
	if (code == CLI_EXIT_OK && sets)
		code = cli_job_follow(options, response->node->ticket);
	else if (code == CLI_EXIT_OK)
		print_nodes(options, response->node, action == SHOW);
	cli_client_free(response);
	return code;
}

/* ---- plan -------------------------------------------------------------------------------- */

static void print_plan(const struct cli_options *options, const Dhtd__Admin__PlanResponse *plan)
{
	char size[CLI_NUMBER_MAX];
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result(), *risks = json_array();
		cli_json_set(result, "possible", json_boolean(plan->code == 0));
		cli_json_set(result, "reason", cli_json_text(plan->reason));
		cli_json_set(result, "blocks", cli_json_u64(plan->blocks));
		cli_json_set(result, "moves", cli_json_u64(plan->moves));
		cli_json_set(result, "bytes", cli_json_u64(plan->bytes));
		cli_json_set(result, "at_risk", cli_json_u64(plan->at_risk));
		for (size_t i = 0; i < plan->n_risks; i++)
			cli_json_append(risks, cli_json_text(plan->risks[i]));
		cli_json_set(result, "risks", risks);
		cli_json_print(result);
		return;
	}
	if (plan->code != 0)
		return;
	cli_print("blocks that change: %" PRIu32 "\nreplicas to be made: %" PRIu64
		  "\nto be moved: about %s\n",
		  plan->blocks, plan->moves, cli_text_size(plan->bytes, size));
	for (size_t i = 0; i < plan->n_risks; i++) {
		cli_print("risk: ");
		cli_print_clean(CLI_YELLOW, plan->risks[i]);
		cli_print("\n");
	}
}

int cli_command_plan(const struct cli_options *options)
{
	static const struct action actions[] = {{"leave", 2, 2}, {"remove", 2, 2}, {"set", 2, 2}};
	static const Dhtd__Admin__PlanRequest__Kind kinds[] = {
	    DHTD__ADMIN__PLAN_REQUEST__KIND__LEAVE,
	    DHTD__ADMIN__PLAN_REQUEST__KIND__REMOVE,
	    DHTD__ADMIN__PLAN_REQUEST__KIND__SET,
	};
	Dhtd__Admin__PlanRequest body = DHTD__ADMIN__PLAN_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int action = take_action(options, actions, DHT_ARRAY_LEN(actions));
	if (action < 0)
		return -action;
	int code = take_weight(options, &body.weight);
	if (code != CLI_EXIT_OK)
		return code;
	body.kind = kinds[action];
	body.node = text_of(options->operands[1]);
	body.zone = text_of(options->zone);
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_PLAN;
	request.plan = &body;
	code = cli_call(options, &request, CLI_CALL_READ, NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	print_plan(options, response->plan);
	if (response->plan->code != 0) {
		cli_message("%s: %s", options->command->name, response->plan->reason);
		code = dht_error_exit_code(-(int)response->plan->code);
	}
	cli_client_free(response);
	return code;
}

/* ---- job --------------------------------------------------------------------------------- */

static json_t *job_json(const Dhtd__Admin__Job *job)
{
	json_t *object = cli_json_object();
	cli_json_set(object, "id", cli_json_u64(job->id));
	cli_json_set(object, "kind", cli_json_text(job->kind));
	cli_json_set(object, "cancelled", json_boolean(job->cancelled));
	cli_json_set(object, "node", cli_json_text(job->node));
	cli_json_set(object, "other", cli_json_text(job->other));
	cli_json_set(object, "began_ms", cli_json_u64(job->began_ms));
	cli_json_set(object, "blocks", cli_json_u64(job->blocks));
	cli_json_set(object, "joint", cli_json_u64(job->joint));
	cli_json_set(object, "in_sync", cli_json_u64(job->in_sync));
	cli_json_set(object, "bytes", cli_json_u64(job->bytes));
	cli_json_set(object, "bytes_left", cli_json_u64(job->bytes_left));
	cli_json_set(object, "bytes_per_s", cli_json_u64(job->bytes_per_s));
	return object;
}

static void print_job(const Dhtd__Admin__Job *job)
{
	char rate[CLI_JOB_RATE_MAX];
	cli_print("job %" PRIu64 ": %s", job->id, job->cancelled ? "cancelled " : "");
	cli_print_clean(CLI_NO_COLOUR, job->kind);
	cli_print(" of ");
	cli_print_clean(CLI_BOLD, job->node);
	if (job->other[0] != '\0') {
		cli_print(" for ");
		cli_print_clean(CLI_BOLD, job->other);
	}
	cli_print("\n  blocks to change: %" PRIu32 ", changing: %" PRIu32
		  ", of these in sync: %" PRIu32 "\n  moved: %s\n",
		  job->blocks, job->joint, job->in_sync, cli_job_rate(job, rate));
}

static void print_jobs(const struct cli_options *options, const Dhtd__Admin__JobResponse *jobs)
{
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result(), *list = json_array();
		if (jobs->job != NULL)
			cli_json_append(list, job_json(jobs->job));
		cli_json_set(result, "jobs", list);
		cli_json_print(result);
	} else if (jobs->job != NULL) {
		print_job(jobs->job);
	}
}

int cli_command_job(const struct cli_options *options)
{
	static const struct action actions[] = {{"ls", 1, 1}, {"show", 1, 2}, {"cancel", 2, 2}};
	enum { LS, SHOW, CANCEL };
	Dhtd__Admin__JobRequest body = DHTD__ADMIN__JOB_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	int64_t number = 0;
	int action = take_action(options, actions, DHT_ARRAY_LEN(actions));
	if (action < 0)
		return -action;
	if (options->operand_count > 1) {
		int code = cli_argument_amount(options, options->operands[1], &number);
		if (code != CLI_EXIT_OK)
			return code;
		if (number < 1)
			return cli_command_misused(options->command, "a job is a number from 1 on");
	}
	body.cancel = action == CANCEL ? (uint64_t)number : 0;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_JOB;
	request.job = &body;
	int code = cli_call(options, &request, action == CANCEL ? CLI_CALL_CHANGE : CLI_CALL_READ,
			    NULL, &response);
	if (code != CLI_EXIT_OK)
		return code;
	const Dhtd__Admin__JobResponse *jobs = response->job;
	if (action == CANCEL) {
		code = cli_job_follow(options, jobs->ticket);
	} else if (number != 0 && (jobs->job == NULL || jobs->job->id != (uint64_t)number)) {
		cli_message("job: job %" PRId64 " is not going on", number);
		code = CLI_EXIT_NOT_FOUND;
	} else {
		print_jobs(options, jobs);
	}
	cli_client_free(response);
	return code;
}
