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

const char *cli_job_rate(const Dhtd__Admin__Job *job, char out[CLI_JOB_RATE_MAX])
{
	char moved[CLI_NUMBER_MAX], all[CLI_NUMBER_MAX], rate[CLI_NUMBER_MAX], left[CLI_NUMBER_MAX];
	int len =
	    snprintf(out, CLI_JOB_RATE_MAX, "%s of about %s", cli_text_size(job->bytes, moved),
		     cli_text_size(job->bytes + job->bytes_left, all));
	if (job->bytes_per_s > 0)
		snprintf(out + len, CLI_JOB_RATE_MAX - (size_t)len, ", %s/s, %s left",
			 cli_text_size(job->bytes_per_s, rate),
			 cli_text_duration(job->bytes_left / job->bytes_per_s, left));
	return out;
}

/* The part of the work that is done: of the bytes, or where there are none, what is not left of the
 * most blocks that were. */
static void show(struct cli_progress *progress, const Dhtd__Admin__Job *job, uint64_t *most)
{
	char text[CLI_JOB_RATE_MAX];
	uint64_t bytes = job->bytes + job->bytes_left;
	if (job->blocks > *most)
		*most = job->blocks;
	cli_job_rate(job, text);
	if (bytes > 0)
		cli_progress_steps(progress, job->bytes, bytes, text);
	else
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

int cli_job_await(const struct cli_options *options, uint64_t job)
{
	bool was_cancelled = false;
	int code = CLI_EXIT_OK;
	if (job != 0 && !options->waits_not)
		code = await_end(options, job, &was_cancelled);
	if (code != CLI_EXIT_OK)
		return code;
	print(options, job);
	if (!was_cancelled || options->command->run == cli_command_job)
		return CLI_EXIT_OK;
	cli_message("%s: job %" PRIu64 " was cancelled", options->command->name, job);
	return CLI_EXIT_FAILED;
}

int cli_job_follow(const struct cli_options *options, uint64_t ticket)
{
	uint64_t job;
	int code = await_begin(options, ticket, &job);
	return code == CLI_EXIT_OK ? cli_job_await(options, job) : code;
}
