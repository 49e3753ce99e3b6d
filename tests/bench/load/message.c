/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <err.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define KEY_PREFIX "key:"
enum { KEY_SIZE = sizeof(KEY_PREFIX) - 1 + LOAD_NUMBER_WIDTH };

/* Longer than any message without its value. */
enum { MESSAGE_OVERHEAD = 128 };

static void begin(struct load_message *m, size_t value_size)
{
	*m = (struct load_message){.data = malloc(value_size + MESSAGE_OVERHEAD)};
	if (m->data == NULL)
		err(1, "a message of %zu bytes", value_size);
}

static void DHT_PRINTF(2, 3) add(struct load_message *m, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char text[MESSAGE_OVERHEAD];
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	DHT_ASSERT(len >= 0 && (size_t)len < sizeof(text));
	memcpy(m->data + m->len, text, (size_t)len);
	m->len += (size_t)len;
}

/* Marks the bytes to come as a place for the key's number. */
static void mark(struct load_message *m, size_t width)
{
	if (width == 0)
		return;
	DHT_ASSERT(m->mark_count < LOAD_MARKS_MAX);
	m->marks[m->mark_count++] = (struct load_mark){.at = m->len, .width = width};
}

static void add_key(struct load_message *m)
{
	add(m, KEY_PREFIX);
	mark(m, LOAD_NUMBER_WIDTH);
	add(m, "%0*d", LOAD_NUMBER_WIDTH, 0);
}

static void add_value(struct load_message *m, size_t size)
{
	mark(m, size < LOAD_NUMBER_WIDTH ? size : LOAD_NUMBER_WIDTH);
	for (size_t i = 0; i < size; i++)
		m->data[m->len++] = (uint8_t)(i < LOAD_NUMBER_WIDTH ? '0' : 'a' + i % 26);
}

static void add_resp_request(struct load_message *m, enum load_command command, size_t value_size)
{
	switch (command) {
	case LOAD_PING:
		add(m, "*1\r\n$4\r\nPING");
		break;
	case LOAD_ECHO:
		add(m, "*2\r\n$4\r\nECHO\r\n$%zu\r\n", value_size);
		add_value(m, value_size);
		break;
	case LOAD_GET:
		add(m, "*2\r\n$3\r\nGET\r\n$%d\r\n", KEY_SIZE);
		add_key(m);
		break;
	case LOAD_SET:
		add(m, "*3\r\n$3\r\nSET\r\n$%d\r\n", KEY_SIZE);
		add_key(m);
		add(m, "\r\n$%zu\r\n", value_size);
		add_value(m, value_size);
		break;
	}
}

static void add_memcached_request(struct load_message *m, enum load_command command,
				  size_t value_size)
{
	DHT_ASSERT(command == LOAD_GET || command == LOAD_SET);
	add(m, command == LOAD_GET ? "get " : "set ");
	add_key(m);
	if (command == LOAD_SET) {
		add(m, " 0 0 %zu\r\n", value_size);
		add_value(m, value_size);
	}
}

void load_message_request(struct load_message *m, enum load_protocol protocol,
			  enum load_command command, size_t value_size)
{
	begin(m, value_size);
	if (protocol == LOAD_RESP)
		add_resp_request(m, command, value_size);
	else
		add_memcached_request(m, command, value_size);
	add(m, "\r\n");
}

void load_message_reply(struct load_message *m, enum load_protocol protocol,
			enum load_command command, size_t value_size)
{
	begin(m, value_size);
	bool resp = protocol == LOAD_RESP;
	switch (command) {
	case LOAD_PING:
		add(m, "+PONG\r\n");
		break;
	case LOAD_SET:
		add(m, resp ? "+OK\r\n" : "STORED\r\n");
		break;
	case LOAD_ECHO:
	case LOAD_GET:
		if (resp) {
			add(m, "$%zu\r\n", value_size);
		} else {
			add(m, "VALUE ");
			add_key(m);
			add(m, " 0 %zu\r\n", value_size);
		}
		add_value(m, value_size);
		add(m, resp ? "\r\n" : "\r\nEND\r\n");
		break;
	}
}

void load_message_fini(struct load_message *m)
{
	free(m->data);
	*m = (struct load_message){0};
}

void load_message_number(const struct load_message *m, uint8_t *copy, uint64_t number)
{
	for (unsigned i = 0; i < m->mark_count; i++) {
		uint64_t rest = number;
		for (size_t digit = m->marks[i].width; digit-- > 0; rest /= 10)
			copy[m->marks[i].at + digit] = (uint8_t)('0' + rest % 10);
	}
}

void load_message_answer(const struct load_message *m, const uint8_t *request,
			 struct load_message *right)
{
	for (unsigned i = 0; i < right->mark_count; i++) {
		const struct load_mark *to = &right->marks[i];
		DHT_ASSERT(m->mark_count > 0 && to->width <= m->marks[0].width);
		const uint8_t *end = request + m->marks[0].at + m->marks[0].width;
		memcpy(right->data + to->at, end - to->width, to->width);
	}
}

static bool begins_with(const uint8_t *data, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && memcmp(data, prefix, strlen(prefix)) == 0;
}

/* Reads the decimal length at the end of a line, which begins after `before`. */
static bool line_length(const uint8_t *line, size_t len, char before, size_t *length)
{
	size_t at = len, value = 0;
	while (at > 0 && line[at - 1] != (uint8_t)before)
		at--;
	if (at == 0 || at == len)
		return false;
	for (; at < len; at++) {
		if (line[at] < '0' || line[at] > '9' || value > LOAD_RING_MAX)
			return false;
		value = value * 10 + (size_t)(line[at] - '0');
	}
	*length = value;
	return true;
}

/* A reply that is not the right one: a line of line_len bytes and perhaps a value
 * of which more than the line says nothing. */
static enum load_verdict judge_resp(enum load_command command, const uint8_t *line, size_t line_len,
				    size_t len, size_t *used)
{
	*used = line_len + 2;
	size_t value_len;
	switch (line[0]) {
	case '-':
		return LOAD_REFUSED;
	case '+':
	case ':':
	case '_':
		return LOAD_MISMATCH;
	case '$':
		if (line_len == 3 && begins_with(line, line_len, "$-1"))
			return command == LOAD_GET ? LOAD_MISS : LOAD_MISMATCH;
		if (!line_length(line, line_len, '$', &value_len))
			return LOAD_BROKEN;
		*used += value_len + 2;
		return len < *used ? LOAD_PARTIAL : LOAD_MISMATCH;
	default:
		return LOAD_BROKEN;
	}
}

static enum load_verdict judge_memcached(enum load_command command, const uint8_t *line,
					 size_t line_len, size_t len, size_t *used)
{
	*used = line_len + 2;
	size_t value_len;
	if (line_len == 3 && begins_with(line, line_len, "END"))
		return command == LOAD_GET ? LOAD_MISS : LOAD_MISMATCH;
	if (begins_with(line, line_len, "ERROR") || begins_with(line, line_len, "CLIENT_ERROR") ||
	    begins_with(line, line_len, "SERVER_ERROR"))
		return LOAD_REFUSED;
	if (!begins_with(line, line_len, "VALUE "))
		return LOAD_MISMATCH;
	if (!line_length(line, line_len, ' ', &value_len))
		return LOAD_BROKEN;
	*used += value_len + strlen("\r\nEND\r\n");
	return len < *used ? LOAD_PARTIAL : LOAD_MISMATCH;
}

enum load_verdict load_message_judge(const struct load_message *right, enum load_protocol protocol,
				     enum load_command command, const uint8_t *data, size_t len,
				     size_t *used)
{
	/* Until all of it is there, its beginning tells whether it can be the right one. */
	size_t compared = len < right->len ? (len < 32 ? len : 32) : right->len;
	if (memcmp(data, right->data, compared) == 0) {
		*used = right->len;
		return len < right->len ? LOAD_PARTIAL : LOAD_RIGHT;
	}
	const uint8_t *end = memmem(data, len < LOAD_LINE_MAX ? len : LOAD_LINE_MAX, "\r\n", 2);
	if (end == NULL)
		return len < LOAD_LINE_MAX ? LOAD_PARTIAL : LOAD_BROKEN;
	if (end == data)
		return LOAD_BROKEN;
	size_t line_len = (size_t)(end - data);
	return protocol == LOAD_RESP ? judge_resp(command, data, line_len, len, used)
				     : judge_memcached(command, data, line_len, len, used);
}
