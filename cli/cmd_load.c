/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_load - the command that stores what dump wrote.
 *
 * Lines become entries, entries batches, and a few batches are on their way at a time,
 * so that neither side waits for the other. Batches are answered in order, and a line
 * that is refused ends the reading: after an error, everything before the first line
 * that is named was stored.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/argument.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/entry.h"
#include "cli/exit.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/progress.h"

enum {
	BATCH_ENTRIES_MAX = 1000,
	BATCH_BYTES_MAX = 1024 * 1024, /* a larger entry goes alone */
	WINDOW = 4,                    /* batches sent and not answered */
	WINDOW_BYTES_MAX = 4 * BATCH_BYTES_MAX,
	FAILURE_MAX = CLI_CLIENT_PROBLEM_MAX + 256,
};

_Static_assert((int)WINDOW <= (int)CLI_CLIENT_CALLS_MAX, "each batch is an open call");

struct batch {
	size_t entries;
	size_t size_bytes;
	uint64_t first_line;
	uint64_t last_line;
};

struct load {
	struct cli_client *client;
	struct cli_input input;
	struct cli_progress progress;
	struct batch filling;
	struct cli_entry entries[BATCH_ENTRIES_MAX];    /* of the batch that is being filled */
	Dhtd__Admin__Entry messages[BATCH_ENTRIES_MAX]; /* the same, while it is packed */
	Dhtd__Admin__Entry *message_pointers[BATCH_ENTRIES_MAX];
	struct batch window[WINDOW];
	size_t first_batch;
	size_t batch_count;
	size_t window_bytes;
	bool keeps_existing;
	uint64_t stored; /* or kept */
	uint64_t kept;
	/* The first failure; nothing new is sent after it. */
	int exit_code;
	char failure[FAILURE_MAX];
};

/* Keeps what went wrong; first_line 0: not the fault of a line. */
static void fail(struct load *load, int exit_code, uint64_t first_line, uint64_t last_line,
		 const char *text)
{
	if (load->exit_code != CLI_EXIT_OK)
		return;
	load->exit_code = exit_code;
	const char *name = load->input.name;
	if (first_line == 0)
		snprintf(load->failure, sizeof(load->failure), "load: %s", text);
	else if (first_line == last_line)
		snprintf(load->failure, sizeof(load->failure), "%s:%" PRIu64 ": %s", name,
			 first_line, text);
	else
		snprintf(load->failure, sizeof(load->failure), "%s:%" PRIu64 "-%" PRIu64 ": %s",
			 name, first_line, last_line, text);
}

static uint64_t entries_in_window(const struct load *load)
{
	uint64_t count = 0;
	for (size_t i = 0; i < load->batch_count; i++)
		count += load->window[(load->first_batch + i) % WINDOW].entries;
	return count;
}

/* Says what becomes of the entries if a signal ends the program now; `leaving` are about
 * to be sent: said before, because a signal may come before the call returns. */
static void note_for_interrupt(const struct load *load, uint64_t leaving)
{
	cli_interrupt_note("entries stored: %" PRIu64 ", unknown: %" PRIu64, load->stored,
			   entries_in_window(load) + leaving);
}

static void count_stored(struct load *load, const Dhtd__Admin__LoadResponse *response)
{
	load->stored += response->loaded;
	load->kept += response->kept;
}

/* Waits for the answer to the oldest batch. A connection that broke takes all open
 * batches with it; they stay in the window, to be counted as unknown. */
static void receive_answer(struct load *load)
{
	struct batch *batch = &load->window[load->first_batch];
	Dhtd__Admin__AdminResponse *response;
	int rc = cli_client_receive(load->client, &response);
	if (cli_client_is_broken(load->client)) {
		fail(load, dht_error_exit_code(rc), 0, 0, cli_client_problem(load->client));
		return;
	}
	if (rc == 0 && response->load->loaded != batch->entries)
		fail(load, CLI_EXIT_FAILED, batch->first_line, batch->last_line,
		     "dhtd says that it stored another number of entries than were sent");
	else if (rc == 0)
		count_stored(load, response->load);
	else
		fail(load, dht_error_exit_code(rc), batch->first_line, batch->last_line,
		     cli_client_problem(load->client));
	cli_client_free(response);
	load->window_bytes -= batch->size_bytes;
	load->first_batch = (load->first_batch + 1) % WINDOW;
	load->batch_count--;
	note_for_interrupt(load, 0);
}

static bool can_receive(const struct load *load)
{
	return load->batch_count > 0 && !cli_client_is_broken(load->client);
}

static void drop_batch(struct load *load)
{
	for (size_t i = 0; i < load->filling.entries; i++)
		cli_entry_fini(&load->entries[i]);
	load->filling = (struct batch){0};
}

/* Queues the request that carries the batch. */
static int send_request(struct load *load)
{
	for (size_t i = 0; i < load->filling.entries; i++) {
		const struct cli_entry *entry = &load->entries[i];
		Dhtd__Admin__Entry *message = &load->messages[i];
		dhtd__admin__entry__init(message);
		message->key = cli_argument_binary(&entry->key);
		message->value = cli_argument_binary(&entry->value);
		message->expires_ms = entry->expires_ms;
		load->message_pointers[i] = message;
	}
	Dhtd__Admin__LoadRequest body = DHTD__ADMIN__LOAD_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	body.n_entries = load->filling.entries;
	body.entries = load->message_pointers;
	body.keep_existing = load->keeps_existing;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOAD;
	request.load = &body;
	return cli_client_send(load->client, &request, CLI_CALL_CHANGE);
}

/* Sends the batch that was filled, as soon as the window has room for it. */
static void send_batch(struct load *load)
{
	struct batch batch = load->filling;
	while (can_receive(load) && (load->batch_count == WINDOW ||
				     load->window_bytes + batch.size_bytes > WINDOW_BYTES_MAX))
		receive_answer(load);
	if (load->exit_code == CLI_EXIT_OK && batch.entries > 0) {
		note_for_interrupt(load, batch.entries);
		int rc = send_request(load);
		if (rc == 0) {
			load->window[(load->first_batch + load->batch_count) % WINDOW] = batch;
			load->batch_count++;
			load->window_bytes += batch.size_bytes;
		} else {
			fail(load, dht_error_exit_code(rc), batch.first_line, batch.last_line,
			     cli_client_problem(load->client));
		}
	}
	drop_batch(load);
}

/* Puts an entry, which it takes over, into a batch. */
static void add_entry(struct load *load, struct cli_entry *entry)
{
	struct batch *filling = &load->filling;
	size_t size = cli_entry_size(entry);
	if (filling->entries == BATCH_ENTRIES_MAX ||
	    (filling->entries > 0 && filling->size_bytes + size > BATCH_BYTES_MAX))
		send_batch(load);
	uint64_t line = load->input.line_number;
	if (filling->entries == 0)
		filling->first_line = line;
	filling->last_line = line;
	filling->size_bytes += size;
	load->entries[filling->entries++] = *entry;
}

static bool is_blank(struct bytes line)
{
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.data[i];
		if (c != ' ' && c != '\t' && c != '\r')
			return false;
	}
	return true;
}

/* What is wrong with the input at the current line. */
struct refusal {
	int exit_code; /* CLI_EXIT_OK: nothing */
	char text[CLI_ENTRY_PROBLEM_MAX];
};

static void refuse_read(struct refusal *refusal, int rc)
{
	refusal->exit_code = CLI_EXIT_FAILED;
	if (rc == DHT_ETOOBIG) {
		refusal->exit_code = CLI_EXIT_USAGE;
		snprintf(refusal->text, sizeof(refusal->text),
			 "the line is longer than %d bytes, which no entry needs",
			 CLI_ENTRY_LINE_MAX);
	} else {
		snprintf(refusal->text, sizeof(refusal->text), "cannot read: %s",
			 rc == DHT_EIO ? strerror(errno) : dht_error_text(rc));
	}
}

/* Reads to the end, to a line that is refused, or to a failure. */
static void read_lines(struct load *load, struct refusal *refusal)
{
	while (load->exit_code == CLI_EXIT_OK) {
		struct bytes line;
		int rc = cli_input_read_line(&load->input, CLI_ENTRY_LINE_MAX, &line);
		if (rc < 0)
			refuse_read(refusal, rc);
		if (rc <= 0)
			return;
		if (is_blank(line))
			continue;
		struct cli_entry entry;
		rc = cli_entry_parse(line, &entry, refusal->text);
		if (rc != 0) {
			refusal->exit_code = rc == DHT_EINVAL ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
			if (rc != DHT_EINVAL)
				snprintf(refusal->text, sizeof(refusal->text), "%s",
					 dht_error_text(rc));
			return;
		}
		add_entry(load, &entry);
		cli_progress_update(&load->progress, load->input.taken_bytes, load->stored);
	}
}

static void print_result(const struct load *load)
{
	json_t *result = cli_json_result();
	cli_json_set(result, "loaded", cli_json_u64(load->stored));
	cli_json_set(result, "kept", cli_json_u64(load->kept));
	cli_json_print(result);
}

static int report(const struct load *load, const struct cli_options *options)
{
	if (load->exit_code == CLI_EXIT_OK) {
		if (options->format == CLI_JSON)
			print_result(load);
		return CLI_EXIT_OK;
	}
	uint64_t open = entries_in_window(load);
	if (load->exit_code == CLI_EXIT_UNCERTAIN && open > 0)
		cli_message("%s (entries stored: %" PRIu64 ", unknown: %" PRIu64 ")", load->failure,
			    load->stored, open);
	else
		cli_message("%s (entries stored: %" PRIu64 ")", load->failure, load->stored);
	return load->exit_code;
}

/* Runs a load whose input is open and whose client is connected. */
static int run(struct load *load, const struct cli_options *options)
{
	struct refusal refusal = {.exit_code = CLI_EXIT_OK};
	cli_progress_begin(&load->progress, load->input.size_bytes);
	read_lines(load, &refusal);
	/* What came before a refused line is stored, so that a person can go on there. */
	send_batch(load);
	while (can_receive(load)) {
		receive_answer(load);
		cli_progress_update(&load->progress, load->input.taken_bytes, load->stored);
	}
	if (refusal.exit_code != CLI_EXIT_OK)
		fail(load, refusal.exit_code, load->input.line_number, load->input.line_number,
		     refusal.text);
	cli_progress_end(&load->progress);
	cli_interrupt_clear();
	return report(load, options);
}

static int open_and_run(struct load *load, const struct cli_options *options)
{
	const char *path = options->operand_count == 1 ? options->operands[0] : NULL;
	if (cli_input_open(&load->input, path) != 0) {
		cli_message("load: cannot open %s: %s", load->input.name, strerror(errno));
		return CLI_EXIT_FAILED;
	}
	if (isatty(load->input.fd) == 1)
		cli_message("load: reading from the terminal; end with Ctrl-D");
	load->client = cli_client_create(options->socket_path, options->timeout_ms);
	int rc = cli_client_connect(load->client);
	int code;
	if (rc == 0) {
		load->keeps_existing = options->is_if_absent;
		code = run(load, options);
	} else {
		cli_message("load: %s", cli_client_problem(load->client));
		code = dht_error_exit_code(rc);
	}
	cli_client_destroy(load->client);
	cli_input_close(&load->input);
	return code;
}

int cli_command_load(const struct cli_options *options)
{
	int code = cli_options_expect(options, 0, 1);
	if (code != CLI_EXIT_OK)
		return code;
	struct load *load = calloc(1, sizeof(*load));
	if (load == NULL)
		cli_message_no_memory();
	code = open_and_run(load, options);
	free(load);
	return code;
}
