/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/encoding.h"
#include "cli/message.h"
#include "cli/print.h"
#include "cli/text.h"

enum {
	FIELD_NAME_MAX = 64,
	PATH_MAX_BYTES = 256, /* of names that are joined; none is nested as deep as that */
	/* Six digits are enough for a share; 17 would show 0.1 as 0.10000000000000001. */
	FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(6),
};

static enum cli_json_form form;

void cli_json_set_form(enum cli_json_form chosen)
{
	form = chosen;
}

json_t *cli_json_object(void)
{
	json_t *object = json_object();
	if (object == NULL)
		cli_message_no_memory();
	return object;
}

json_t *cli_json_result(void)
{
	json_t *object = cli_json_object();
	cli_json_set(object, "schema", json_integer(CLI_JSON_SCHEMA));
	return object;
}

json_t *cli_json_text(const char *text)
{
	json_t *value = json_string(text);
	if (value != NULL)
		return value;
	char *clean = strdup(text);
	if (clean == NULL)
		cli_message_no_memory();
	cli_text_clean(clean);
	value = json_string(clean);
	free(clean);
	return value;
}

json_t *cli_json_u64(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *cli_json_double(double value)
{
	return json_real(isfinite(value) ? value : 0.0);
}

void cli_json_set(json_t *object, const char *name, json_t *value)
{
	if (value == NULL || json_object_set_new(object, name, value) != 0)
		cli_message_no_memory();
}

void cli_json_append(json_t *array, json_t *value)
{
	if (value == NULL || json_array_append_new(array, value) != 0)
		cli_message_no_memory();
}

void cli_json_set_bytes(json_t *object, const char *name, struct bytes bytes)
{
	if (cli_encoding_is_utf8(bytes)) {
		const char *text = bytes.len > 0 ? (const char *)bytes.data : "";
		/* Checked above; jansson need not look again. */
		cli_json_set(object, name, json_stringn_nocheck(text, bytes.len));
		return;
	}
	char field[FIELD_NAME_MAX];
	struct buffer text = BUFFER_EMPTY;
	int len = snprintf(field, sizeof(field), "%s_b64", name);
	DHT_ASSERT(len < FIELD_NAME_MAX);
	/* The only other error is a length beyond any frame's. */
	if (cli_encoding_encode(CLI_BASE64, bytes, &text) != 0)
		cli_message_no_memory();
	cli_json_set(object, field, json_stringn_nocheck((char *)buffer_head(&text), text.len));
	buffer_reset(&text);
}

static int print_part(const char *data, size_t len, void *ctx)
{
	cli_print_bytes(bytes_of(data, len));
	return 0;
}

void cli_json_print_object(json_t *object)
{
	if (json_dump_callback(object, print_part, NULL, FLAGS) != 0)
		cli_message_no_memory();
	cli_print("\n");
	json_decref(object);
}

static void print_leaf(const char *path, const json_t *leaf)
{
	char *text = json_dumps(leaf, FLAGS | JSON_ENCODE_ANY);
	if (text == NULL)
		cli_message_no_memory();
	struct bytes value = bytes_of(text, strlen(text));
	if (json_is_string(leaf)) /* less its quotes */
		value = bytes_of(text + 1, value.len - 2);
	cli_print("%s=", path);
	cli_print_bytes(value);
	cli_print("\n");
	free(text);
}

/* Prints what is under a path, "" for all; path has room for PATH_MAX_BYTES and is as it was
 * afterwards. Objects and arrays are as deep as our own code nests them. */
static void print_lines(char *path, json_t *value)
{
	size_t len = strlen(path), index;
	char *end = path + len;
	const char *name, *dot = len > 0 ? "." : "";
	json_t *inner;
	if (json_is_object(value)) {
		json_object_foreach(value, name, inner)
		{
			snprintf(end, PATH_MAX_BYTES - len, "%s%s", dot, name);
			print_lines(path, inner);
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, index, inner)
		{
			snprintf(end, PATH_MAX_BYTES - len, "%s%zu", dot, index);
			print_lines(path, inner);
		}
	} else {
		print_leaf(path, value);
	}
	*end = '\0';
}

void cli_json_print(json_t *object)
{
	char path[PATH_MAX_BYTES] = "";
	if (form == CLI_JSON_OBJECT) {
		cli_json_print_object(object);
		return;
	}
	print_lines(path, object);
	json_decref(object);
}
