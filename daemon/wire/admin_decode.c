/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin.pb-c.h"
#include "base/error.h"
#include "proto/frame.h"
#include "wire/protobuf.h"

static struct bytes bytes_from(ProtobufCBinaryData data)
{
	return bytes_of(data.data, data.len);
}

static int check_key(struct bytes key, char why[WIRE_WHY_MAX])
{
	if (key.len <= RECORD_KEY_MAX)
		return 0;
	snprintf(why, WIRE_WHY_MAX, "the key has %zu bytes; at most %d are allowed", key.len,
		 RECORD_KEY_MAX);
	return DHT_ETOOBIG;
}

static int check_value(struct bytes value, const struct wire_limits *limits, char why[WIRE_WHY_MAX])
{
	if (value.len <= limits->value_max)
		return 0;
	snprintf(why, WIRE_WHY_MAX,
		 "the value has %zu bytes; at most %zu are allowed (store.max_value_size)",
		 value.len, limits->value_max);
	return DHT_ETOOBIG;
}

static int check_ttl(uint64_t ttl_ms, char why[WIRE_WHY_MAX])
{
	if (ttl_ms <= WIRE_TTL_MAX_MS)
		return 0;
	snprintf(why, WIRE_WHY_MAX, "ttl_ms is %" PRIu64 "; at most %" PRIu64 " is allowed", ttl_ms,
		 WIRE_TTL_MAX_MS);
	return DHT_EINVAL;
}

static int decode_put_expiry(const Dhtd__Admin__PutRequest *m, struct admin_request *request,
			     char why[WIRE_WHY_MAX])
{
	if (m->keep_ttl && m->ttl_ms != 0) {
		snprintf(why, WIRE_WHY_MAX, "ttl_ms and keep_ttl exclude each other");
		return DHT_EINVAL;
	}
	if (m->keep_ttl)
		request->op.expiry = OP_EXPIRY_KEEP;
	else if (m->ttl_ms != 0)
		request->op.expiry = OP_EXPIRY_AT;
	request->ttl_ms = m->ttl_ms;
	return check_ttl(m->ttl_ms, why);
}

static int decode_put(const Dhtd__Admin__PutRequest *m, const struct wire_limits *limits,
		      struct admin_request *request, char why[WIRE_WHY_MAX])
{
	struct op *op = &request->op;
	*op = (struct op){.kind = OP_PUT, .value = bytes_from(m->value)};
	op->key.key = bytes_from(m->key);
	switch (m->condition) {
	case DHTD__ADMIN__PUT_REQUEST__CONDITION__ALWAYS:
		op->conditions = OP_ALWAYS;
		break;
	case DHTD__ADMIN__PUT_REQUEST__CONDITION__IF_ABSENT:
		op->conditions = OP_IF_ABSENT;
		break;
	case DHTD__ADMIN__PUT_REQUEST__CONDITION__IF_PRESENT:
		op->conditions = OP_IF_PRESENT;
		break;
	default:
		snprintf(why, WIRE_WHY_MAX, "condition %d is not known", (int)m->condition);
		return DHT_EINVAL;
	}
	int rc = decode_put_expiry(m, request, why);
	return rc != 0 ? rc : check_value(op->value, limits, why);
}

static int decode_ttl(const Dhtd__Admin__TtlRequest *m, struct admin_request *request,
		      char why[WIRE_WHY_MAX])
{
	struct op *op = &request->op;
	*op = (struct op){.kind = OP_TTL, .key.key = bytes_from(m->key)};
	switch (m->change_case) {
	case DHTD__ADMIN__TTL_REQUEST__CHANGE_TTL_MS:
		op->kind = OP_EXPIRE;
		op->expiry = OP_EXPIRY_AT;
		request->ttl_ms = m->ttl_ms;
		return check_ttl(m->ttl_ms, why);
	case DHTD__ADMIN__TTL_REQUEST__CHANGE_PERSIST:
		if (m->persist) {
			op->kind = OP_EXPIRE;
			op->expiry = OP_EXPIRY_CLEAR;
		}
		return 0;
	default:
		return 0;
	}
}

static int decode_cas(const Dhtd__Admin__CasRequest *m, const struct wire_limits *limits,
		      struct op *op, char why[WIRE_WHY_MAX])
{
	*op = (struct op){.kind = OP_CAS_VALUE, .value = bytes_from(m->new_value)};
	op->key.key = bytes_from(m->key);
	switch (m->expected_case) {
	case DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VALUE:
		op->expected = bytes_from(m->old_value);
		return check_value(op->value, limits, why);
	case DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VERSION:
		break;
	default:
		snprintf(why, WIRE_WHY_MAX, "cas needs old_value or old_version");
		return DHT_EINVAL;
	}
	const Dhtd__Admin__Version *v = m->old_version;
	if (v->counter > BALLOT_COUNTER_MAX || v->member > BALLOT_MEMBER_TOP) {
		snprintf(why, WIRE_WHY_MAX,
			 "old_version %" PRIu32 ".%" PRIu64 ".%" PRIu32 " is out of range",
			 v->version, v->counter, v->member);
		return DHT_EINVAL;
	}
	op->kind = OP_CAS_VERSION;
	op->expected_version = ballot_make(v->version, v->counter, v->member);
	return check_value(op->value, limits, why);
}

static int decode_config(const Dhtd__Admin__ConfigRequest *m, struct admin_request *request,
			 char why[WIRE_WHY_MAX])
{
	request->config.check = m->action == DHTD__ADMIN__CONFIG_REQUEST__ACTION__CHECK;
	if (!request->config.check && m->action != DHTD__ADMIN__CONFIG_REQUEST__ACTION__SHOW) {
		snprintf(why, WIRE_WHY_MAX, "config action %d is not known", (int)m->action);
		return DHT_EINVAL;
	}
	if (strlen(m->file_name) > WIRE_FILE_NAME_MAX) {
		snprintf(why, WIRE_WHY_MAX, "file_name is longer than %d bytes",
			 WIRE_FILE_NAME_MAX);
		return DHT_ETOOBIG;
	}
	request->config.file_name = m->file_name;
	request->config.content = bytes_from(m->content);
	return 0;
}

/* ---- Members ----------------------------------------------------------------------- */

static int check_text(const char *name, const char *text, char why[WIRE_WHY_MAX])
{
	if (strlen(text) <= WIRE_NAME_MAX)
		return 0;
	snprintf(why, WIRE_WHY_MAX, "%s is longer than %d bytes", name, WIRE_NAME_MAX);
	return DHT_ETOOBIG;
}

static int check_change(const struct admin_change *change, char why[WIRE_WHY_MAX])
{
	int rc = check_text("node", change->node, why);
	if (rc == 0)
		rc = check_text("address", change->address, why);
	return rc == 0 ? check_text("zone", change->zone, why) : rc;
}

static int decode_plan(const Dhtd__Admin__PlanRequest *m, struct admin_change *change,
		       char why[WIRE_WHY_MAX])
{
	change->node = m->node;
	change->zone = m->zone;
	change->weight = m->weight;
	switch (m->kind) {
	case DHTD__ADMIN__PLAN_REQUEST__KIND__LEAVE:
		change->planned = ADMIN_leave;
		return 0;
	case DHTD__ADMIN__PLAN_REQUEST__KIND__REMOVE:
		change->planned = ADMIN_remove;
		return 0;
	case DHTD__ADMIN__PLAN_REQUEST__KIND__SET:
		change->planned = ADMIN_node;
		return 0;
	default:
		snprintf(why, WIRE_WHY_MAX, "kind %d is not known", (int)m->kind);
		return DHT_EINVAL;
	}
}

static int decode_recover(const Dhtd__Admin__RecoverRequest *m, struct admin_recovery *recovery,
			  char why[WIRE_WHY_MAX])
{
	*recovery = (struct admin_recovery){.survivors = (const char *const *)m->survivors,
					    .survivor_count = m->n_survivors,
					    .cluster = m->cluster};
	if (m->n_survivors == 0 || m->n_survivors > WIRE_SURVIVORS_MAX) {
		snprintf(why, WIRE_WHY_MAX, "survivors: 1 to %d are named", WIRE_SURVIVORS_MAX);
		return DHT_EINVAL;
	}
	int rc = check_text("cluster", m->cluster, why);
	for (size_t i = 0; rc == 0 && i < m->n_survivors; i++)
		rc = check_text("survivors", m->survivors[i], why);
	return rc;
}

/* Returns false if the request is none about members. */
static bool decode_change(const Dhtd__Admin__AdminRequest *m, struct admin_request *r,
			  char why[WIRE_WHY_MAX], int *rc)
{
	struct admin_change c = {.node = "", .address = "", .zone = ""};
	*rc = 0;
	switch (m->command_case) {
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_JOIN:
		r->command = ADMIN_join;
		c.address = m->join->address;
		c.zone = m->join->zone;
		c.weight = m->join->weight;
		c.discards_data = m->join->discard_data;
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LEAVE:
		r->command = ADMIN_leave;
		c.is_forced = m->leave->force;
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_REMOVE:
		r->command = ADMIN_remove;
		c.node = m->remove->node;
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_REPLACE:
		r->command = ADMIN_replace;
		c.node = m->replace->node;
		c.address = m->replace->address;
		c.zone = m->replace->zone;
		c.weight = m->replace->weight;
		c.discards_data = m->replace->discard_data;
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_NODE:
		r->command = ADMIN_node;
		c.node = m->node->node;
		c.zone = m->node->zone;
		c.weight = m->node->weight;
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_PLAN:
		r->command = ADMIN_plan;
		*rc = decode_plan(m->plan, &c, why);
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_JOB:
		r->command = ADMIN_job;
		c.ticket = m->job->ticket;
		c.job = m->job->cancel;
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_OK_TO_STOP:
		r->command = ADMIN_ok_to_stop;
		c.node = m->ok_to_stop->node;
		break;
	default:
		return false;
	}
	if (*rc == 0)
		*rc = check_change(&c, why);
	r->change = c;
	return true;
}

static int decode_command(const Dhtd__Admin__AdminRequest *m, const struct wire_limits *limits,
			  struct admin_request *r, char why[WIRE_WHY_MAX])
{
	int rc = 0;
	if (decode_change(m, r, why, &rc))
		return rc;
	switch (m->command_case) {
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_STATUS:
		r->command = ADMIN_status;
		return 0;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_QUEUES:
		r->command = ADMIN_queues;
		return 0;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOG_LEVEL:
		r->command = ADMIN_log_level;
		r->level = m->log_level->level;
		return 0;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CONFIG:
		r->command = ADMIN_config;
		return decode_config(m->config, r, why);
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_GET:
		r->command = ADMIN_get;
		r->op = (struct op){.kind = OP_GET, .key.key = bytes_from(m->get->key)};
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_PUT:
		r->command = ADMIN_put;
		rc = decode_put(m->put, limits, r, why);
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_DEL:
		r->command = ADMIN_del;
		r->op = (struct op){.kind = OP_DEL, .key.key = bytes_from(m->del->key)};
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CAS:
		r->command = ADMIN_cas;
		rc = decode_cas(m->cas, limits, &r->op, why);
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_INCR:
		r->command = ADMIN_incr;
		r->op = (struct op){
		    .kind = OP_INCR, .key.key = bytes_from(m->incr->key), .delta = m->incr->delta};
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_TTL:
		r->command = ADMIN_ttl;
		rc = decode_ttl(m->ttl, r, why);
		break;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_SCAN:
		r->command = ADMIN_scan;
		r->prefix = bytes_from(m->scan->prefix);
		return check_key(r->prefix, why);
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_DUMP:
		r->command = ADMIN_dump;
		r->prefix = bytes_from(m->dump->prefix);
		return check_key(r->prefix, why);
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOAD:
		r->command = ADMIN_load;
		r->load_count = m->load->n_entries;
		return 0;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_VERIFY:
		r->command = ADMIN_verify;
		r->begins = m->verify->begin;
		return 0;
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_RECOVER:
		r->command = ADMIN_recover;
		return decode_recover(m->recover, &r->recovery, why);
	case DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOCATE:
		r->command = ADMIN_locate;
		r->located = bytes_from(m->locate->key);
		return check_key(r->located, why);
	default:
		snprintf(why, WIRE_WHY_MAX, "the request has no command that version %s knows",
			 DHT_VERSION);
		return DHT_EUNKNOWN;
	}
	return rc != 0 ? rc : check_key(r->op.key.key, why);
}

/* ---- A look at the encoded message ----------------------------------------------- */

enum {
	FIELD_ENTRIES = 1,     /* of LoadRequest */
	FIELD_OLD_VERSION = 3, /* of CasRequest */
	/* An entry is a field and has up to three; the rest is for the request itself. */
	FIELDS_MAX = 4 * WIRE_LOAD_MAX + 64,
};

/* Takes the next length-delimited field off data, passing over others; *count is raised
 * by the fields it saw. False: at the end, or at anything that unpacking will refuse. */
static bool next_bytes_field(struct bytes *data, struct protobuf_field *field, size_t *count)
{
	while (data->len > 0 && protobuf_next(data, field) == 0) {
		*count += 1;
		if ((field->tag & 7) == PROTOBUF_BYTES)
			return true;
	}
	return false;
}

/* Whether a field of a command is a message, and not the bytes of a key or a value. */
static bool is_message(uint64_t command, uint64_t field)
{
	return (command == DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOAD && field == FIELD_ENTRIES) ||
	       (command == DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CAS && field == FIELD_OLD_VERSION);
}

/* Unpacking takes a multiple of the message's size in memory where that is made of many
 * tiny fields, known or not: they are counted first, in the request, its command and
 * the messages in that. */
static bool has_too_many_fields(struct bytes request)
{
	struct protobuf_field command, content, inner;
	size_t count = 0;
	while (next_bytes_field(&request, &command, &count)) {
		while (next_bytes_field(&command.bytes, &content, &count)) {
			while (is_message(command.tag >> 3, content.tag >> 3) &&
			       next_bytes_field(&content.bytes, &inner, &count))
				continue;
			if (count > FIELDS_MAX)
				return true;
		}
	}
	return count > FIELDS_MAX;
}

int wire_admin_decode(const uint8_t *data, size_t len, const struct wire_limits *limits,
		      struct admin_request *request, char why[WIRE_WHY_MAX])
{
	*request = (struct admin_request){0};
	if (has_too_many_fields(bytes_of(data, len))) {
		snprintf(why, WIRE_WHY_MAX, "too many fields; a load has at most %d entries",
			 WIRE_LOAD_MAX);
		return DHT_ETOOBIG;
	}
	Dhtd__Admin__AdminRequest *m = dhtd__admin__admin_request__unpack(NULL, len, data);
	if (m == NULL) {
		snprintf(why, WIRE_WHY_MAX, "the frame holds no AdminRequest");
		return DHT_EPROTO;
	}
	request->message = m;
	request->call_id = m->call_id;
	request->timeout_ms = m->timeout_ms;
	int rc = decode_command(m, limits, request, why);
	if (rc == 0 && m->call_id == 0) {
		snprintf(why, WIRE_WHY_MAX, "call_id is missing");
		rc = DHT_EINVAL;
	}
	if (rc != 0)
		wire_admin_release(request);
	return rc;
}

void wire_admin_release(struct admin_request *request)
{
	if (request->message != NULL)
		dhtd__admin__admin_request__free_unpacked(request->message, NULL);
	request->message = NULL;
}

int wire_admin_load_entry(const struct admin_request *request, size_t i,
			  const struct wire_limits *limits, struct op *op, char why[WIRE_WHY_MAX])
{
	const Dhtd__Admin__AdminRequest *m = request->message;
	DHT_ASSERT(request->command == ADMIN_load && i < m->load->n_entries);
	const Dhtd__Admin__Entry *entry = m->load->entries[i];
	*op = (struct op){.kind = OP_PUT, .value = bytes_from(entry->value)};
	op->conditions = m->load->keep_existing ? OP_IF_ABSENT : OP_ALWAYS;
	op->key.key = bytes_from(entry->key);
	if (entry->expires_ms != 0) {
		op->expiry = OP_EXPIRY_AT;
		op->expires_ms = entry->expires_ms;
	}
	int rc = check_key(op->key.key, why);
	return rc != 0 ? rc : check_value(op->value, limits, why);
}
