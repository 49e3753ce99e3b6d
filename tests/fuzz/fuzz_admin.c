/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as what arrives on the admin socket: as one message, and as a stream of
 * frames. Nothing breaks, what was accepted is within the bounds, its bytes can be
 * read, and what was refused can be answered with one line that says why.
 */
#include <stdio.h>
#include <string.h>

#include "admin.pb-c.h"
#include "base/buffer.h"
#include "base/error.h"
#include "proto/frame.h"
#include "wire/admin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	VALUE_MAX = 64, /* small, so that inputs reach beyond it */
	FRAMES_MAX = 64,
	ANSWER_MAX = 64 * 1024,
};

static const struct wire_limits limits = {.value_max = VALUE_MAX};

static volatile uint8_t sink;

/* Reads every byte: a sanitizer sees what points elsewhere. */
static void read_bytes(struct bytes bytes)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < bytes.len; i++)
		sum ^= bytes.data[i];
	sink = sum;
}

static void check_op(const struct op *op)
{
	DHT_ASSERT(op->key.key.len <= RECORD_KEY_MAX);
	DHT_ASSERT(op->value.len <= VALUE_MAX);
	read_bytes(op->key.key);
	read_bytes(op->value);
	read_bytes(op->expected);
}

/* What was refused is answered with a sentence, which a client can read. */
static void check_refusal(uint64_t call_id, int rc, const char *why)
{
	struct buffer out = BUFFER_EMPTY;
	size_t len;
	DHT_ASSERT(why[0] != '\0' && strpbrk(why, "\r\n") == NULL);
	DHT_ASSERT(wire_admin_error(&out, call_id, rc, why) == 0 && out.len < ANSWER_MAX);
	DHT_ASSERT(admin_frame_get_header(buffer_head(&out), out.len, &len) == 1);
	DHT_ASSERT(ADMIN_FRAME_HEADER + len == out.len);
	Dhtd__Admin__AdminResponse *response =
	    dhtd__admin__admin_response__unpack(NULL, len, buffer_head(&out) + ADMIN_FRAME_HEADER);
	DHT_ASSERT(response != NULL && response->call_id == call_id && response->last);
	DHT_ASSERT(response->error->code == (uint32_t)-rc);
	DHT_ASSERT(strcmp(response->error->message, why) == 0);
	dhtd__admin__admin_response__free_unpacked(response, NULL);
	buffer_reset(&out);
}

static void check_load(const struct admin_request *request)
{
	char why[WIRE_WHY_MAX];
	for (size_t i = 0; i < request->load_count; i++) {
		struct op op;
		why[0] = '\0';
		int rc = wire_admin_load_entry(request, i, &limits, &op, why);
		DHT_ASSERT(rc == 0 || rc == DHT_ETOOBIG);
		if (rc == 0)
			check_op(&op);
		else
			check_refusal(request->call_id, rc, why);
	}
}

static void check_change(const struct admin_change *change)
{
	const char *const texts[] = {change->node, change->address, change->zone};
	for (size_t i = 0; i < DHT_ARRAY_LEN(texts); i++) {
		DHT_ASSERT(strlen(texts[i]) <= WIRE_NAME_MAX);
		read_bytes(bytes_of(texts[i], strlen(texts[i])));
	}
}

static void check_recovery(const struct admin_recovery *recovery)
{
	DHT_ASSERT(recovery->survivor_count > 0 && recovery->survivor_count <= WIRE_SURVIVORS_MAX);
	for (size_t i = 0; i < recovery->survivor_count; i++)
		DHT_ASSERT(strlen(recovery->survivors[i]) <= WIRE_NAME_MAX);
	DHT_ASSERT(strlen(recovery->cluster) <= WIRE_NAME_MAX);
}

static void check_accepted(const struct admin_request *request)
{
	DHT_ASSERT(request->call_id > 0);
	switch (request->command) {
	case ADMIN_get:
	case ADMIN_put:
	case ADMIN_del:
	case ADMIN_cas:
	case ADMIN_incr:
	case ADMIN_ttl:
		check_op(&request->op);
		DHT_ASSERT(request->ttl_ms <= WIRE_TTL_MAX_MS);
		return;
	case ADMIN_scan:
	case ADMIN_dump:
		DHT_ASSERT(request->prefix.len <= RECORD_KEY_MAX);
		read_bytes(request->prefix);
		return;
	case ADMIN_load:
		check_load(request);
		return;
	case ADMIN_log_level:
		read_bytes(bytes_of(request->level, strlen(request->level)));
		return;
	case ADMIN_config:
		DHT_ASSERT(strlen(request->config.file_name) <= WIRE_FILE_NAME_MAX);
		read_bytes(request->config.content);
		return;
	case ADMIN_join:
	case ADMIN_leave:
	case ADMIN_remove:
	case ADMIN_replace:
	case ADMIN_node:
	case ADMIN_plan:
	case ADMIN_job:
	case ADMIN_ok_to_stop:
		check_change(&request->change);
		return;
	case ADMIN_recover:
		check_recovery(&request->recovery);
		return;
	case ADMIN_locate:
		DHT_ASSERT(request->located.len <= RECORD_KEY_MAX);
		read_bytes(request->located);
		return;
	case ADMIN_verify:
	case ADMIN_status:
	case ADMIN_queues:
		return;
	case ADMIN_COMMAND_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

static void decode(const uint8_t *message, size_t len)
{
	struct admin_request request;
	char why[WIRE_WHY_MAX] = "";
	int rc = wire_admin_decode(message, len, &limits, &request, why);
	if (rc != 0) {
		DHT_ASSERT(rc == DHT_EPROTO || rc == DHT_EUNKNOWN || rc == DHT_EINVAL ||
			   rc == DHT_ETOOBIG);
		check_refusal(request.call_id, rc, why);
		return;
	}
	check_accepted(&request);
	wire_admin_release(&request);
}

static void decode_stream(const uint8_t *data, size_t size)
{
	size_t at = 0;
	for (int i = 0; i < FRAMES_MAX; i++) {
		size_t len = 0;
		int rc = admin_frame_get_header(data + at, size - at, &len);
		if (rc <= 0)
			return;
		DHT_ASSERT(rc == 1 && len >= 1 && len <= ADMIN_FRAME_MAX);
		at += ADMIN_FRAME_HEADER;
		if (len > size - at)
			return;
		decode(data + at, len);
		at += len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode(data, size);
	decode_stream(data, size);
	return 0;
}
