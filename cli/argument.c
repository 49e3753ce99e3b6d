/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/argument.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/input.h"
#include "cli/message.h"
#include "cli/text.h"

/* Limits of the fields of a version (proto/admin.proto). */
static const uint64_t version_limits[] = {UINT32_MAX, (UINT64_C(1) << 52) - 1, (1U << 12) - 1};

static struct bytes text_bytes(const char *text)
{
	return bytes_of(text, strlen(text));
}

static int not_in_encoding(const struct cli_options *options, const char *name, const char *text,
			   size_t position)
{
	char quoted[CLI_QUOTED_MAX];
	const char *encoding = cli_encoding_name(options->encoding);
	cli_text_quote(text_bytes(text), quoted);
	if (position == strlen(text))
		cli_message("%s: the %s %s is not %s: it ends too early", options->command->name,
			    name, quoted, encoding);
	else
		cli_message("%s: the %s %s is not %s: wrong character at position %zu",
			    options->command->name, name, quoted, encoding, position + 1);
	return CLI_EXIT_USAGE;
}

int cli_argument_value(const struct cli_options *options, const char *name, const char *text,
		       struct buffer *value)
{
	size_t position;
	int rc = cli_encoding_decode(options->encoding, text_bytes(text), value, &position);
	if (rc == DHT_EINVAL)
		return not_in_encoding(options, name, text, position);
	if (rc == DHT_ENOMEM)
		cli_message_no_memory();
	if (rc == 0)
		return CLI_EXIT_OK;
	cli_message("%s: the %s is too long", options->command->name, name);
	return CLI_EXIT_USAGE;
}

int cli_argument_key(const struct cli_options *options, const char *text, struct buffer *key)
{
	int code = cli_argument_value(options, "key", text, key);
	if (code != CLI_EXIT_OK || key->len <= CLI_KEY_MAX)
		return code;
	cli_message("%s: the key is %zu bytes long, at most %d are possible",
		    options->command->name, key->len, CLI_KEY_MAX);
	return CLI_EXIT_USAGE;
}

int cli_argument_value_from_input(const struct cli_options *options, struct buffer *value)
{
	struct cli_input input;
	int rc = cli_input_open(&input, NULL);
	if (rc == 0)
		rc = cli_input_read_all(&input, ADMIN_FRAME_MAX);
	int code = CLI_EXIT_OK;
	if (rc == 0) {
		/* The bytes change hands; what the caller's buffer held is replaced. */
		buffer_reset(value);
		*value = input.buffer;
		input.buffer = BUFFER_EMPTY;
	} else if (rc == DHT_ETOOBIG) {
		cli_message("%s: the value on standard input is too large: the protocol carries "
			    "at most %d bytes",
			    options->command->name, ADMIN_FRAME_MAX);
		code = CLI_EXIT_USAGE;
	} else {
		cli_message("%s: cannot read standard input: %s", options->command->name,
			    rc == DHT_EIO ? strerror(errno) : dht_error_text(rc));
		code = CLI_EXIT_FAILED;
	}
	cli_input_close(&input);
	return code;
}

/* Parses decimal digits, at least one, up to a limit. Returns what follows them, NULL
 * if there are none or too many. */
static const char *parse_digits(const char *text, uint64_t limit, uint64_t *number)
{
	*number = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');
		if (*number > (limit - digit) / 10)
			return NULL;
		*number = *number * 10 + digit;
	}
	return at > text ? at : NULL;
}

int cli_argument_amount(const struct cli_options *options, const char *text, int64_t *amount)
{
	bool is_negative = text[0] == '-';
	bool has_sign = is_negative || text[0] == '+';
	uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
	uint64_t number;
	const char *rest = parse_digits(text + (has_sign ? 1 : 0), limit, &number);
	if (rest == NULL || *rest != '\0') {
		char quoted[CLI_QUOTED_MAX];
		return cli_command_misused(options->command,
					   "AMOUNT %s is not a whole number from %lld to %lld",
					   cli_text_quote(text_bytes(text), quoted),
					   (long long)INT64_MIN, (long long)INT64_MAX);
	}
	/* -2^63 has no positive counterpart: negate as unsigned. */
	*amount = (int64_t)(is_negative ? -number : number);
	return CLI_EXIT_OK;
}

int cli_argument_ttl(const struct cli_options *options, const char *text, uint64_t *ttl_ms)
{
	int64_t duration_ms;
	if (!cli_options_parse_duration(text, CLI_TTL_MAX_MS, &duration_ms)) {
		char quoted[CLI_QUOTED_MAX];
		return cli_command_misused(
		    options->command,
		    "TIME %s is not a time from 1ms on, such as 500ms, 10s, 5m, 12h or 30d",
		    cli_text_quote(text_bytes(text), quoted));
	}
	*ttl_ms = (uint64_t)duration_ms;
	return CLI_EXIT_OK;
}

int cli_argument_version(const struct cli_options *options, const char *text,
			 Dhtd__Admin__Version *version)
{
	uint64_t fields[DHT_ARRAY_LEN(version_limits)];
	const char *at = text;
	for (size_t i = 0; i < DHT_ARRAY_LEN(fields) && at != NULL; i++) {
		at = parse_digits(at, version_limits[i], &fields[i]);
		if (at != NULL && i + 1 < DHT_ARRAY_LEN(fields))
			at = *at == '.' ? at + 1 : NULL;
	}
	if (at == NULL || *at != '\0') {
		char quoted[CLI_QUOTED_MAX];
		return cli_command_misused(options->command,
					   "%s is not a version (V.C.M, as get -v prints it)",
					   cli_text_quote(text_bytes(text), quoted));
	}
	version->version = (uint32_t)fields[0];
	version->counter = fields[1];
	version->member = (uint32_t)fields[2];
	return CLI_EXIT_OK;
}

const char *cli_argument_print_version(const Dhtd__Admin__Version *version,
				       char out[CLI_VERSION_MAX])
{
	static const Dhtd__Admin__Version none = DHTD__ADMIN__VERSION__INIT;
	if (version == NULL)
		version = &none;
	snprintf(out, CLI_VERSION_MAX, "%u.%llu.%u", version->version,
		 (unsigned long long)version->counter, version->member);
	return out;
}

ProtobufCBinaryData cli_argument_binary(const struct buffer *buffer)
{
	return (ProtobufCBinaryData){
	    .len = buffer->len,
	    .data = buffer->len > 0 ? buffer_head(buffer) : NULL,
	};
}
