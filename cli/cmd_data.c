/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_data - the commands about one key: get, put, del, cas, incr, ttl.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/argument.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/text.h"

/* A key, decoded, and as it was typed for messages. */
struct subject {
	struct buffer key;
	char quoted[CLI_QUOTED_MAX];
};

/* Checks the number of operands and takes the first as the key. */
static int subject_init(struct subject *subject, const struct cli_options *options,
			size_t min_operands, size_t max_operands)
{
	subject->key = BUFFER_EMPTY;
	int code = cli_options_expect(options, min_operands, max_operands);
	if (code != CLI_EXIT_OK)
		return code;
	const char *typed = options->operands[0];
	cli_text_quote(bytes_of(typed, strlen(typed)), subject->quoted);
	return cli_argument_key(options, typed, &subject->key);
}

static void subject_fini(struct subject *subject)
{
	buffer_reset(&subject->key);
}

static json_t *result_of(const struct subject *subject)
{
	json_t *result = cli_json_result();
	cli_json_set_bytes(result, "key", bytes_of(subject->key.data, subject->key.len));
	return result;
}

static void set_version(json_t *result, const Dhtd__Admin__Version *version)
{
	char text[CLI_VERSION_MAX];
	cli_json_set(result, "version", cli_json_text(cli_argument_print_version(version, text)));
}

/* What put and cas have to say: the version, where it is asked for. */
static void print_change(const struct cli_options *options, const struct subject *subject,
			 const Dhtd__Admin__Version *version)
{
	char text[CLI_VERSION_MAX];
	if (options->format == CLI_JSON) {
		json_t *result = result_of(subject);
		set_version(result, version);
		cli_json_print(result);
	}
	if (options->is_verbose)
		cli_message("version %s", cli_argument_print_version(version, text));
}

static void print_get(const struct cli_options *options, const struct subject *subject,
		      const Dhtd__Admin__GetResponse *get)
{
	struct bytes value = bytes_of(get->value.data, get->value.len);
	if (options->format == CLI_JSON) {
		json_t *result = result_of(subject);
		cli_json_set_bytes(result, "value", value);
		set_version(result, get->version);
		cli_json_set(result, "expires_ms", cli_json_u64(get->expires_ms));
		cli_json_print(result);
	} else {
		cli_print_encoded(options->encoding, value);
		if (cli_print_is_terminal())
			cli_print("\n");
	}
	char version[CLI_VERSION_MAX];
	if (options->is_verbose)
		cli_message("version %s", cli_argument_print_version(get->version, version));
}

int cli_command_get(const struct cli_options *options)
{
	struct subject subject;
	int code = subject_init(&subject, options, 1, 1);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__GetRequest get = DHTD__ADMIN__GET_REQUEST__INIT;
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		Dhtd__Admin__AdminResponse *response;
		get.key = cli_argument_binary(&subject.key);
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_GET;
		request.get = &get;
		code = cli_call(options, &request, CLI_CALL_READ, subject.quoted, &response);
		if (code == CLI_EXIT_OK)
			print_get(options, &subject, response->get);
		cli_client_free(response);
	}
	subject_fini(&subject);
	return code;
}

static int put(const struct cli_options *options, const struct subject *subject,
	       const struct buffer *value, uint64_t ttl_ms)
{
	Dhtd__Admin__PutRequest put = DHTD__ADMIN__PUT_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__AdminResponse *response;
	put.key = cli_argument_binary(&subject->key);
	put.value = cli_argument_binary(value);
	if (options->is_if_absent)
		put.condition = DHTD__ADMIN__PUT_REQUEST__CONDITION__IF_ABSENT;
	else if (options->is_if_present)
		put.condition = DHTD__ADMIN__PUT_REQUEST__CONDITION__IF_PRESENT;
	put.ttl_ms = ttl_ms;
	put.keep_ttl = options->is_keep_ttl;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_PUT;
	request.put = &put;
	int code = cli_call(options, &request, CLI_CALL_CHANGE, subject->quoted, &response);
	if (code == CLI_EXIT_OK)
		print_change(options, subject, response->put->version);
	cli_client_free(response);
	return code;
}

int cli_command_put(const struct cli_options *options)
{
	struct subject subject;
	struct buffer value = BUFFER_EMPTY;
	uint64_t ttl_ms = 0;
	int code = subject_init(&subject, options, 2, 2);
	if (code == CLI_EXIT_OK && options->is_if_absent && options->is_if_present)
		code = cli_command_misused(options->command,
					   "--if-absent and --if-present exclude each other");
	if (code == CLI_EXIT_OK && options->ttl != NULL && options->is_keep_ttl)
		code = cli_command_misused(options->command,
					   "--ttl and --keep-ttl exclude each other");
	if (code == CLI_EXIT_OK && options->ttl != NULL)
		code = cli_argument_ttl(options, options->ttl, &ttl_ms);
	if (code == CLI_EXIT_OK)
		code = strcmp(options->operands[1], "-") == 0
			   ? cli_argument_value_from_input(options, &value)
			   : cli_argument_value(options, "value", options->operands[1], &value);
	if (code == CLI_EXIT_OK)
		code = put(options, &subject, &value, ttl_ms);
	buffer_reset(&value);
	subject_fini(&subject);
	return code;
}

int cli_command_del(const struct cli_options *options)
{
	struct subject subject;
	int code = subject_init(&subject, options, 1, 1);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__DelRequest del = DHTD__ADMIN__DEL_REQUEST__INIT;
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		Dhtd__Admin__AdminResponse *response;
		del.key = cli_argument_binary(&subject.key);
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_DEL;
		request.del = &del;
		code = cli_call(options, &request, CLI_CALL_CHANGE, subject.quoted, &response);
		if (code == CLI_EXIT_OK && options->format == CLI_JSON)
			cli_json_print(result_of(&subject));
		cli_client_free(response);
	}
	subject_fini(&subject);
	return code;
}

/* Takes --old or --version, of which there must be one, and --new. */
static int cas_arguments(const struct cli_options *options, Dhtd__Admin__Version *old_version,
			 struct buffer *old_value, struct buffer *new_value)
{
	if ((options->old_value != NULL) == (options->old_version != NULL))
		return cli_command_misused(options->command,
					   "one of --old VALUE and --version V.C.M is needed");
	if (options->new_value == NULL)
		return cli_command_misused(options->command, "--new VALUE is needed");
	int code = options->old_value != NULL
		       ? cli_argument_value(options, "old value", options->old_value, old_value)
		       : cli_argument_version(options, options->old_version, old_version);
	if (code != CLI_EXIT_OK)
		return code;
	return cli_argument_value(options, "new value", options->new_value, new_value);
}

int cli_command_cas(const struct cli_options *options)
{
	struct subject subject;
	struct buffer old_value = BUFFER_EMPTY;
	struct buffer new_value = BUFFER_EMPTY;
	Dhtd__Admin__Version old_version = DHTD__ADMIN__VERSION__INIT;
	int code = subject_init(&subject, options, 1, 1);
	if (code == CLI_EXIT_OK)
		code = cas_arguments(options, &old_version, &old_value, &new_value);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__CasRequest cas;
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		Dhtd__Admin__AdminResponse *response;
		dhtd__admin__cas_request__init(&cas);
		cas.key = cli_argument_binary(&subject.key);
		cas.new_value = cli_argument_binary(&new_value);
		if (options->old_value != NULL) {
			cas.expected_case = DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VALUE;
			cas.old_value = cli_argument_binary(&old_value);
		} else {
			cas.expected_case = DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VERSION;
			cas.old_version = &old_version;
		}
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CAS;
		request.cas = &cas;
		code = cli_call(options, &request, CLI_CALL_CHANGE, subject.quoted, &response);
		if (code == CLI_EXIT_OK)
			print_change(options, &subject, response->cas->version);
		cli_client_free(response);
	}
	buffer_reset(&new_value);
	buffer_reset(&old_value);
	subject_fini(&subject);
	return code;
}

static void print_incr(const struct cli_options *options, const struct subject *subject,
		       const Dhtd__Admin__IncrResponse *incr)
{
	if (options->format != CLI_JSON) {
		cli_print("%" PRId64 "\n", incr->value);
		return;
	}
	json_t *result = result_of(subject);
	cli_json_set(result, "value", json_integer(incr->value));
	set_version(result, incr->version);
	cli_json_print(result);
}

int cli_command_incr(const struct cli_options *options)
{
	struct subject subject;
	Dhtd__Admin__IncrRequest incr = DHTD__ADMIN__INCR_REQUEST__INIT;
	incr.delta = 1;
	int code = subject_init(&subject, options, 1, 2);
	if (code == CLI_EXIT_OK && options->operand_count == 2)
		code = cli_argument_amount(options, options->operands[1], &incr.delta);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		Dhtd__Admin__AdminResponse *response;
		incr.key = cli_argument_binary(&subject.key);
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_INCR;
		request.incr = &incr;
		code = cli_call(options, &request, CLI_CALL_CHANGE, subject.quoted, &response);
		if (code == CLI_EXIT_OK)
			print_incr(options, &subject, response->incr);
		cli_client_free(response);
	}
	subject_fini(&subject);
	return code;
}

/* Seconds are rounded up: a key that is there never has 0 left. */
static void print_ttl(const struct cli_options *options, const struct subject *subject,
		      const Dhtd__Admin__TtlResponse *ttl)
{
	bool expires = ttl->expires_ms != 0;
	if (options->format == CLI_JSON) {
		json_t *result = result_of(subject);
		cli_json_set(result, "ttl_ms", expires ? cli_json_u64(ttl->ttl_ms) : json_null());
		cli_json_set(result, "expires_ms", cli_json_u64(ttl->expires_ms));
		set_version(result, ttl->version);
		cli_json_print(result);
	} else if (expires) {
		cli_print("%" PRIu64 "\n", ttl->ttl_ms / 1000 + (ttl->ttl_ms % 1000 != 0));
	} else {
		cli_print("none\n");
	}
}

/* Takes the change, if there is one. */
static int ttl_arguments(const struct cli_options *options, Dhtd__Admin__TtlRequest *ttl)
{
	if (options->operand_count == 2 && options->is_persist)
		return cli_command_misused(options->command,
					   "TIME and --persist exclude each other");
	if (options->is_persist) {
		ttl->change_case = DHTD__ADMIN__TTL_REQUEST__CHANGE_PERSIST;
		ttl->persist = true;
	}
	if (options->operand_count < 2)
		return CLI_EXIT_OK;
	ttl->change_case = DHTD__ADMIN__TTL_REQUEST__CHANGE_TTL_MS;
	return cli_argument_ttl(options, options->operands[1], &ttl->ttl_ms);
}

int cli_command_ttl(const struct cli_options *options)
{
	struct subject subject;
	Dhtd__Admin__TtlRequest ttl;
	dhtd__admin__ttl_request__init(&ttl);
	int code = subject_init(&subject, options, 1, 2);
	if (code == CLI_EXIT_OK)
		code = ttl_arguments(options, &ttl);
	if (code == CLI_EXIT_OK) {
		Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
		Dhtd__Admin__AdminResponse *response;
		bool reads = ttl.change_case == DHTD__ADMIN__TTL_REQUEST__CHANGE__NOT_SET;
		ttl.key = cli_argument_binary(&subject.key);
		request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_TTL;
		request.ttl = &ttl;
		code = cli_call(options, &request, reads ? CLI_CALL_READ : CLI_CALL_CHANGE,
				subject.quoted, &response);
		if (code == CLI_EXIT_OK && (reads || options->format == CLI_JSON))
			print_ttl(options, &subject, response->ttl);
		cli_client_free(response);
	}
	subject_fini(&subject);
	return code;
}
