/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/text.h"

enum { LOOK_MS = 100 };

static void pause_a_moment(void)
{
	struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	nanosleep(&pause, NULL);
}

static int look(const struct cli_options *options, uint64_t ticket,
		Dhtd__Admin__AdminResponse **response)
{
	Dhtd__Admin__JobRequest body = DHTD__ADMIN__JOB_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	body.ticket = ticket;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_JOB;
	request.job = &body;
	return cli_call(options, &request, CLI_CALL_READ, NULL, response);
}

/* Returns the exit code once the outcome is known; *job is what has begun. */
static int await_begin(const struct cli_options *options, uint64_t ticket, uint64_t *job)
{
	for (;;) {
		Dhtd__Admin__AdminResponse *response;
		int code = look(options, ticket, &response);
		if (code != CLI_EXIT_OK)
			return code;
		const Dhtd__Admin__JobResponse *now = response->job;
		bool waits = now->outcome == DHTD__ADMIN__JOB_RESPONSE__OUTCOME__WAITING;
		*job = now->begun;
		if (now->outcome == DHTD__ADMIN__JOB_RESPONSE__OUTCOME__REFUSED) {
			cli_message("%s: %s", options->command->name, now->reason);
			code = dht_error_exit_code(-(int)now->code);
		} else if (!waits && now->outcome != DHTD__ADMIN__JOB_RESPONSE__OUTCOME__BEGUN) {
			cli_message("%s: the node does not know any more what became of it",
				    options->command->name);
			code = CLI_EXIT_UNCERTAIN;
		}
		cli_client_free(response);
		if (!waits)
			return code;
		pause_a_moment();
	}
}

/* The part of the work that is done is what is not left of the most that was. */
static void show(struct cli_progress *progress, const Dhtd__Admin__Job *job, uint64_t *most)
{
	char text[128], size[CLI_NUMBER_MAX];
	if (job->blocks > *most)
		*most = job->blocks;
	snprintf(text, sizeof(text), "%" PRIu32 " blocks left  %s moved here", job->blocks,
		 cli_text_size(job->bytes, size));
	cli_progress_steps(progress, *most - job->blocks, *most, text);
}

static int await_end(const struct cli_options *options, uint64_t job, bool *was_cancelled)
{
	struct cli_progress progress;
	uint64_t most = 0;
	bool goes_on = true;
	int code = CLI_EXIT_OK;
	cli_interrupt_note("job %" PRIu64 " goes on (dhtctl job show)", job);
	cli_progress_begin(&progress, 0);
	while (goes_on && code == CLI_EXIT_OK) {
		Dhtd__Admin__AdminResponse *response;
		code = look(options, 0, &response);
		if (code != CLI_EXIT_OK)
			break;
		const Dhtd__Admin__JobResponse *now = response->job;
		bool is_it = now->job != NULL && now->job->id == job;
		/* The job began with the map of its number. */
		goes_on = is_it || now->epoch < job;
		if (is_it) {
			*was_cancelled = now->job->cancelled;
			show(&progress, now->job, &most);
		}
		cli_client_free(response);
		if (goes_on)
			pause_a_moment();
	}
	cli_progress_end(&progress);
	cli_interrupt_clear();
	return code;
}

static void print(const struct cli_options *options, uint64_t job)
{
	if (options->format == CLI_JSON) {
		json_t *result = cli_json_result();
		cli_json_set(result, "job", cli_json_u64(job));
		cli_json_print(result);
	} else if (options->waits_not && job != 0) {
		cli_print("%" PRIu64 "\n", job);
	}
}

int cli_job_follow(const struct cli_options *options, uint64_t ticket)
{
	uint64_t job;
	bool was_cancelled = false;
	int code = await_begin(options, ticket, &job);
	if (code == CLI_EXIT_OK && job != 0 && !options->waits_not)
		code = await_end(options, job, &was_cancelled);
	if (code != CLI_EXIT_OK)
		return code;
	print(options, job);
	if (!was_cancelled || options->command->run == cli_command_job)
		return CLI_EXIT_OK;
	cli_message("%s: job %" PRIu64 " was cancelled", options->command->name, job);
	return CLI_EXIT_FAILED;
}
