/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/entry.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/argument.h"
#include "cli/encoding.h"
#include "cli/json.h"

void cli_entry_print(struct bytes key, struct bytes value, uint64_t expires_ms)
{
	json_t *object = cli_json_object();
	cli_json_set_bytes(object, "key", key);
	cli_json_set_bytes(object, "value", value);
	cli_json_set(object, "expires_ms", cli_json_u64(expires_ms));
	cli_json_print_object(object);
}

static int refuse(char problem[CLI_ENTRY_PROBLEM_MAX], const char *fmt, ...) DHT_PRINTF(2, 3);

static int refuse(char problem[CLI_ENTRY_PROBLEM_MAX], const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(problem, CLI_ENTRY_PROBLEM_MAX, fmt, args);
	va_end(args);
	return DHT_EINVAL;
}

/* Takes the bytes of the field NAME or NAME_b64; exactly one of them must be there. */
static int take_bytes(const json_t *object, const char *plain, const char *base64,
		      struct buffer *out, char problem[CLI_ENTRY_PROBLEM_MAX])
{
	const json_t *field = json_object_get(object, plain);
	const json_t *encoded = json_object_get(object, base64);
	if (field == NULL && encoded == NULL)
		return refuse(problem, "\"%s\" or \"%s\" is missing", plain, base64);
	if (field != NULL && encoded != NULL)
		return refuse(problem, "both \"%s\" and \"%s\" are given", plain, base64);
	enum cli_encoding encoding = field != NULL ? CLI_PLAIN : CLI_BASE64;
	const char *name = field != NULL ? plain : base64;
	const json_t *string = field != NULL ? field : encoded;
	if (!json_is_string(string))
		return refuse(problem, "\"%s\" is not a string", name);
	struct bytes text = bytes_of(json_string_value(string), json_string_length(string));
	size_t position;
	int rc = cli_encoding_decode(encoding, text, out, &position);
	if (rc == DHT_EINVAL)
		return refuse(problem, "\"%s\" is not %s (position %zu)", name,
			      cli_encoding_name(encoding), position + 1);
	if (rc == DHT_EFULL)
		return refuse(problem, "\"%s\" is too large", name);
	return rc;
}

static int take_expiry(const json_t *object, uint64_t *expires_ms,
		       char problem[CLI_ENTRY_PROBLEM_MAX])
{
	const json_t *field = json_object_get(object, "expires_ms");
	*expires_ms = 0;
	if (field == NULL)
		return 0;
	if (!json_is_integer(field) || json_integer_value(field) < 0)
		return refuse(problem, "\"expires_ms\" is not a whole number of milliseconds");
	*expires_ms = (uint64_t)json_integer_value(field);
	return 0;
}

static int check_fields(json_t *object, char problem[CLI_ENTRY_PROBLEM_MAX])
{
	static const char *const known[] = {"key", "key_b64", "value", "value_b64", "expires_ms"};
	for (void *at = json_object_iter(object); at != NULL;
	     at = json_object_iter_next(object, at)) {
		const char *name = json_object_iter_key(at);
		size_t i = 0;
		while (i < DHT_ARRAY_LEN(known) && strcmp(name, known[i]) != 0)
			i++;
		if (i == DHT_ARRAY_LEN(known))
			return refuse(problem, "unknown field \"%.64s\"", name);
	}
	return 0;
}

static int take_fields(json_t *object, struct cli_entry *entry, char problem[CLI_ENTRY_PROBLEM_MAX])
{
	int rc = check_fields(object, problem);
	if (rc == 0)
		rc = take_bytes(object, "key", "key_b64", &entry->key, problem);
	if (rc == 0)
		rc = take_bytes(object, "value", "value_b64", &entry->value, problem);
	if (rc == 0)
		rc = take_expiry(object, &entry->expires_ms, problem);
	if (rc == 0 && entry->key.len > CLI_KEY_MAX)
		rc = refuse(problem, "the key is %zu bytes long, at most %d are possible",
			    entry->key.len, CLI_KEY_MAX);
	if (rc == 0 && cli_entry_size(entry) > ADMIN_FRAME_MAX)
		rc = refuse(problem, "the value is %zu bytes long; the protocol carries at most %d",
			    entry->value.len, ADMIN_FRAME_MAX);
	return rc;
}

int cli_entry_parse(struct bytes line, struct cli_entry *entry, char problem[CLI_ENTRY_PROBLEM_MAX])
{
	*entry = (struct cli_entry){0};
	json_error_t error;
	json_t *object = json_loadb((const char *)line.data, line.len,
				    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	int rc;
	if (object == NULL && json_error_code(&error) == json_error_out_of_memory)
		rc = DHT_ENOMEM;
	else if (object == NULL)
		rc = refuse(problem, "not JSON: %s (column %d)", error.text, error.column);
	else if (!json_is_object(object))
		rc = refuse(problem, "not a JSON object");
	else
		rc = take_fields(object, entry, problem);
	json_decref(object);
	if (rc != 0)
		cli_entry_fini(entry);
	return rc;
}

size_t cli_entry_size(const struct cli_entry *entry)
{
	return entry->key.len + entry->value.len + CLI_ENTRY_OVERHEAD;
}

void cli_entry_fini(struct cli_entry *entry)
{
	buffer_reset(&entry->key);
	buffer_reset(&entry->value);
}
