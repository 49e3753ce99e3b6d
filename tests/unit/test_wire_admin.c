/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "admin.pb-c.h"
#include "base/error.h"
#include "proto/frame.h"
#include "unit.h"
#include "wire/admin.h"

static const struct wire_limits limits = {.value_max = 1000};

static ProtobufCBinaryData blob(size_t len)
{
	static uint8_t zeros[70000];
	return (ProtobufCBinaryData){.data = zeros, .len = len};
}

static int decode(const Dhtd__Admin__AdminRequest *m, struct admin_request *request, char *why)
{
	size_t len = dhtd__admin__admin_request__get_packed_size(m);
	uint8_t *data = malloc(len + 1);
	dhtd__admin__admin_request__pack(m, data);
	why[0] = '\0';
	int rc = wire_admin_decode(data, len, &limits, request, why);
	free(data);
	return rc;
}

START_TEST(requests_without_call_id_or_command_are_refused)
{
	char why[WIRE_WHY_MAX];
	struct admin_request request;
	Dhtd__Admin__AdminRequest m = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EUNKNOWN);
	m.call_id = 9;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EUNKNOWN);
	ck_assert_uint_eq(request.call_id, 9);
	Dhtd__Admin__StatusRequest status = DHTD__ADMIN__STATUS_REQUEST__INIT;
	m.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_STATUS;
	m.status = &status;
	m.call_id = 0;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EINVAL);
	ck_assert_str_eq(why, "call_id is missing");
	m.call_id = 9;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_int_eq(request.command, ADMIN_status);
	wire_admin_release(&request);
	ck_assert_int_eq(
	    wire_admin_decode((const uint8_t *)"\xff\xff\xff", 3, &limits, &request, why),
	    DHT_EPROTO);
}
END_TEST

START_TEST(keys_and_values_are_bounded)
{
	char why[WIRE_WHY_MAX];
	struct admin_request request;
	Dhtd__Admin__AdminRequest m = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__PutRequest put = DHTD__ADMIN__PUT_REQUEST__INIT;
	m.call_id = 1;
	m.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_PUT;
	m.put = &put;
	put.key = blob(RECORD_KEY_MAX);
	put.value = blob(limits.value_max);
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_uint_eq(request.op.key.key.len, RECORD_KEY_MAX);
	ck_assert_uint_eq(request.op.value.len, limits.value_max);
	wire_admin_release(&request);
	put.value = blob(limits.value_max + 1);
	ck_assert_int_eq(decode(&m, &request, why), DHT_ETOOBIG);
	ck_assert_ptr_nonnull(strstr(why, "1001"));
	put.value = blob(0);
	put.key = blob(RECORD_KEY_MAX + 1);
	ck_assert_int_eq(decode(&m, &request, why), DHT_ETOOBIG);
	put.key = blob(0);
	put.condition = 77;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EINVAL);
}
END_TEST

START_TEST(many_tiny_fields_are_refused_whatever_stands_in_front)
{
	enum { FIELDS = 5 * WIRE_LOAD_MAX };
	/* A tag that is cut to one of 32 bits. */
	static const char *const fronts[] = {"", "\xfa\xff\xff\xff\x7f\x01x"};
	uint8_t *data = malloc(8 + 2 * FIELDS);
	for (size_t i = 0; i < DHT_ARRAY_LEN(fronts); i++) {
		char why[WIRE_WHY_MAX];
		struct admin_request request;
		size_t len = strlen(fronts[i]);
		memcpy(data, fronts[i], len);
		for (size_t k = 0; k < FIELDS; k++)
			memcpy(data + len + 2 * k, "\x78\x01", 2);
		ck_assert_int_eq(wire_admin_decode(data, len + 2 * FIELDS, &limits, &request, why),
				 DHT_ETOOBIG);
	}
	free(data);
}
END_TEST

START_TEST(cas_needs_something_to_compare_within_range)
{
	char why[WIRE_WHY_MAX];
	struct admin_request request;
	Dhtd__Admin__AdminRequest m = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__CasRequest cas = DHTD__ADMIN__CAS_REQUEST__INIT;
	Dhtd__Admin__Version version = DHTD__ADMIN__VERSION__INIT;
	m.call_id = 1;
	m.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_CAS;
	m.cas = &cas;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EINVAL);
	cas.expected_case = DHTD__ADMIN__CAS_REQUEST__EXPECTED_OLD_VERSION;
	cas.old_version = &version;
	version.version = 4;
	version.counter = BALLOT_COUNTER_MAX;
	version.member = BALLOT_MEMBER_TOP;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_int_eq(request.op.kind, OP_CAS_VERSION);
	ck_assert(ballot_equal(request.op.expected_version,
			       ballot_make(4, BALLOT_COUNTER_MAX, BALLOT_MEMBER_TOP)));
	wire_admin_release(&request);
	version.counter = BALLOT_COUNTER_MAX + 1;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EINVAL);
	version.counter = 1;
	version.member = BALLOT_MEMBER_TOP + 1;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EINVAL);
}
END_TEST

START_TEST(a_put_has_a_ttl_or_keeps_one)
{
	char why[WIRE_WHY_MAX];
	struct admin_request request;
	Dhtd__Admin__AdminRequest m = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__PutRequest put = DHTD__ADMIN__PUT_REQUEST__INIT;
	m.call_id = 1;
	m.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_PUT;
	m.put = &put;
	struct {
		uint64_t ttl_ms;
		bool keep_ttl;
		int rc;
		enum op_expiry expiry;
	} cases[] = {
	    {0, false, 0, OP_EXPIRY_CLEAR},
	    {1, false, 0, OP_EXPIRY_AT},
	    {WIRE_TTL_MAX_MS, false, 0, OP_EXPIRY_AT},
	    {0, true, 0, OP_EXPIRY_KEEP},
	    {1, true, DHT_EINVAL, OP_EXPIRY_CLEAR},
	    {WIRE_TTL_MAX_MS + 1, false, DHT_EINVAL, OP_EXPIRY_CLEAR},
	    {UINT64_MAX, false, DHT_EINVAL, OP_EXPIRY_CLEAR},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		put.ttl_ms = cases[i].ttl_ms;
		put.keep_ttl = cases[i].keep_ttl;
		ck_assert_int_eq(decode(&m, &request, why), cases[i].rc);
		if (cases[i].rc != 0) {
			ck_assert_ptr_nonnull(strstr(why, "ttl_ms"));
			continue;
		}
		ck_assert_int_eq(request.op.expiry, cases[i].expiry);
		ck_assert_uint_eq(request.ttl_ms, cases[i].ttl_ms);
		wire_admin_release(&request);
	}
}
END_TEST

START_TEST(a_ttl_reads_or_sets)
{
	char why[WIRE_WHY_MAX];
	struct admin_request request;
	Dhtd__Admin__AdminRequest m = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__TtlRequest ttl = DHTD__ADMIN__TTL_REQUEST__INIT;
	m.call_id = 1;
	m.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_TTL;
	m.ttl = &ttl;
	ttl.key = blob(3);
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert(request.command == ADMIN_ttl && request.op.kind == OP_TTL);
	ck_assert_uint_eq(request.op.key.key.len, 3);
	wire_admin_release(&request);
	uint64_t good[] = {0, 1, WIRE_TTL_MAX_MS};
	ttl.change_case = DHTD__ADMIN__TTL_REQUEST__CHANGE_TTL_MS;
	for (size_t i = 0; i < DHT_ARRAY_LEN(good); i++) {
		ttl.ttl_ms = good[i];
		ck_assert_int_eq(decode(&m, &request, why), 0);
		ck_assert(request.op.kind == OP_EXPIRE && request.op.expiry == OP_EXPIRY_AT);
		ck_assert_uint_eq(request.ttl_ms, good[i]);
		wire_admin_release(&request);
	}
	ttl.ttl_ms = WIRE_TTL_MAX_MS + 1;
	ck_assert_int_eq(decode(&m, &request, why), DHT_EINVAL);
	ttl.change_case = DHTD__ADMIN__TTL_REQUEST__CHANGE_PERSIST;
	ttl.persist = true;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert(request.op.kind == OP_EXPIRE && request.op.expiry == OP_EXPIRY_CLEAR);
	wire_admin_release(&request);
	ttl.persist = false;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_int_eq(request.op.kind, OP_TTL);
	wire_admin_release(&request);
	ttl.key = blob(RECORD_KEY_MAX + 1);
	ck_assert_int_eq(decode(&m, &request, why), DHT_ETOOBIG);
}
END_TEST

START_TEST(loaded_entries_bring_their_expiry)
{
	char why[WIRE_WHY_MAX];
	struct admin_request request;
	struct op op;
	Dhtd__Admin__AdminRequest m = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	Dhtd__Admin__LoadRequest load = DHTD__ADMIN__LOAD_REQUEST__INIT;
	Dhtd__Admin__Entry entry = DHTD__ADMIN__ENTRY__INIT;
	Dhtd__Admin__Entry *entries[] = {&entry, &entry};
	m.call_id = 1;
	m.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_LOAD;
	m.load = &load;
	load.entries = entries;
	load.n_entries = 2;
	entry.expires_ms = 1700000000123;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_int_eq(wire_admin_load_entry(&request, 1, &limits, &op, why), 0);
	ck_assert(op.kind == OP_PUT && op.expiry == OP_EXPIRY_AT);
	ck_assert_uint_eq(op.expires_ms, 1700000000123);
	wire_admin_release(&request);
	entry.expires_ms = 0;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_int_eq(wire_admin_load_entry(&request, 0, &limits, &op, why), 0);
	ck_assert_int_eq(op.expiry, OP_EXPIRY_CLEAR);
	ck_assert_uint_eq(op.conditions, OP_ALWAYS);
	wire_admin_release(&request);
	load.keep_existing = true;
	ck_assert_int_eq(decode(&m, &request, why), 0);
	ck_assert_int_eq(wire_admin_load_entry(&request, 0, &limits, &op, why), 0);
	ck_assert_uint_eq(op.conditions, OP_IF_ABSENT);
	wire_admin_release(&request);
}
END_TEST

static void assert_ttl(uint64_t expires_ms, uint64_t now_ms, uint64_t ttl_ms)
{
	struct buffer out = BUFFER_EMPTY;
	struct op_result result = {.expires_ms = expires_ms, .version = ballot_make(1, 2, 3)};
	size_t len;
	ck_assert_int_eq(wire_admin_ttl(&out, 5, &result, now_ms), 0);
	ck_assert_int_eq(admin_frame_get_header(buffer_head(&out), out.len, &len), 1);
	Dhtd__Admin__AdminResponse *m =
	    dhtd__admin__admin_response__unpack(NULL, len, buffer_head(&out) + ADMIN_FRAME_HEADER);
	ck_assert_ptr_nonnull(m);
	ck_assert(m->call_id == 5 && m->last);
	ck_assert_int_eq(m->result_case, DHTD__ADMIN__ADMIN_RESPONSE__RESULT_TTL);
	ck_assert_uint_eq(m->ttl->expires_ms, expires_ms);
	ck_assert_uint_eq(m->ttl->ttl_ms, ttl_ms);
	ck_assert_uint_eq(m->ttl->version->counter, 2);
	dhtd__admin__admin_response__free_unpacked(m, NULL);
	buffer_reset(&out);
}

START_TEST(a_ttl_is_answered_with_what_is_left)
{
	assert_ttl(1700000000500, 1700000000000, 500);
	assert_ttl(0, 1700000000000, 0);
	assert_ttl(UINT64_MAX, 0, UINT64_MAX);
}
END_TEST

START_TEST(responses_are_whole_frames_that_unpack)
{
	struct buffer out = BUFFER_EMPTY;
	struct admin_entry entries[] = {
	    {bytes_of("a\0b", 3), bytes_of("", 0), 0},
	    {bytes_of("", 0), bytes_of("v", 1), 12345},
	};
	ck_assert_int_eq(wire_admin_entries(&out, 5, ADMIN_dump, entries, 2, false), 0);
	ck_assert_int_eq(wire_admin_error(&out, 6, DHT_ENOTFOUND, "key not found"), 0);
	size_t len = 0;
	ck_assert_int_eq(admin_frame_get_header(buffer_head(&out), out.len, &len), 1);
	Dhtd__Admin__AdminResponse *m =
	    dhtd__admin__admin_response__unpack(NULL, len, buffer_head(&out) + ADMIN_FRAME_HEADER);
	ck_assert_ptr_nonnull(m);
	ck_assert(m->call_id == 5 && !m->last);
	ck_assert_int_eq(m->result_case, DHTD__ADMIN__ADMIN_RESPONSE__RESULT_DUMP);
	ck_assert_uint_eq(m->dump->n_entries, 2);
	ck_assert_uint_eq(m->dump->entries[0]->key.len, 3);
	ck_assert_uint_eq(m->dump->entries[1]->expires_ms, 12345);
	dhtd__admin__admin_response__free_unpacked(m, NULL);
	buffer_consume(&out, ADMIN_FRAME_HEADER + len);
	ck_assert_int_eq(admin_frame_get_header(buffer_head(&out), out.len, &len), 1);
	ck_assert_uint_eq(out.len, ADMIN_FRAME_HEADER + len);
	m = dhtd__admin__admin_response__unpack(NULL, len, buffer_head(&out) + ADMIN_FRAME_HEADER);
	ck_assert_ptr_nonnull(m);
	ck_assert(m->last && m->error->code == 4);
	dhtd__admin__admin_response__free_unpacked(m, NULL);
	buffer_reset(&out);
}
END_TEST

START_TEST(status_carries_the_store_and_the_peers)
{
	struct buffer out = BUFFER_EMPTY;
	struct admin_store_status store = {
	    .fsync = "interval",
	    .segments = 1,
	    .live_bytes = 2,
	    .dead_bytes = 3,
	    .disk_bytes = 4,
	    .index_bytes = 5,
	    .mapped_bytes = 6,
	    .cold_segments = 7,
	    .spare_segments = 8,
	    .keys = 9,
	    .tombstones = 10,
	    .fsync_us = {11, 12, 13},
	    .compaction = {true, 0.5, 14, 15},
	    .recovery = {16, 17},
	    .read_only_reason = "full",
	};
	struct admin_peers_status peers = {
	    .control_links = 18,
	    .refused_links = 19,
	    .sent = 20,
	    .received = 21,
	    .lost = 22,
	    .dropped = 23,
	    .synced_bytes = 24,
	    .compared = 25,
	    .told = 26,
	    .settled = 27,
	};
	struct admin_status status = {
	    .cluster = "",
	    .node = "",
	    .id = "",
	    .version = "",
	    .health = "ok",
	    .startup = "",
	    .store = &store,
	    .peers = &peers,
	};
	for (int i = 0; i < 2; i++) {
		size_t len = 0;
		ck_assert_int_eq(wire_admin_status(&out, 5, &status), 0);
		ck_assert_int_eq(admin_frame_get_header(buffer_head(&out), out.len, &len), 1);
		Dhtd__Admin__AdminResponse *m = dhtd__admin__admin_response__unpack(
		    NULL, len, buffer_head(&out) + ADMIN_FRAME_HEADER);
		ck_assert_ptr_nonnull(m);
		const Dhtd__Admin__StoreStatus *found = m->status->store;
		const Dhtd__Admin__PeersStatus *links = m->status->peers;
		ck_assert_ptr_nonnull(found);
		ck_assert_ptr_nonnull(links);
		ck_assert_str_eq(found->fsync, "interval");
		const uint64_t numbers[] = {
		    found->segments,
		    found->live_bytes,
		    found->dead_bytes,
		    found->disk_bytes,
		    found->index_bytes,
		    found->mapped_bytes,
		    found->cold_segments,
		    found->spare_segments,
		    found->keys,
		    found->tombstones,
		    found->fsync_us->p50,
		    found->fsync_us->p99,
		    found->fsync_us->max,
		    found->compaction->bytes_copied,
		    found->compaction->bytes_per_s,
		    found->recovery->bytes_done,
		    found->recovery->bytes_total,
		    links->control_links,
		    links->refused_links,
		    links->sent,
		    links->received,
		    links->lost,
		    links->dropped,
		    links->synced_bytes,
		    links->compared,
		    links->told,
		    links->settled,
		};
		for (size_t n = 0; n < DHT_ARRAY_LEN(numbers); n++)
			ck_assert_uint_eq(numbers[n], n + 1);
		ck_assert(found->compaction->running && found->compaction->progress == 0.5);
		ck_assert_int_eq(found->read_only, i == 0);
		ck_assert_str_eq(found->read_only_reason, i == 0 ? "full" : "");
		dhtd__admin__admin_response__free_unpacked(m, NULL);
		buffer_consume(&out, out.len);
		store.read_only_reason = NULL;
	}
	buffer_reset(&out);
}
END_TEST

START_TEST(frame_headers_are_checked)
{
	size_t len;
	uint8_t header[ADMIN_FRAME_HEADER];
	ck_assert_int_eq(admin_frame_get_header((const uint8_t *)"\0\0\0", 3, &len), 0);
	ck_assert_int_eq(admin_frame_get_header((const uint8_t *)"\0\0\0\0", 4, &len), DHT_EPROTO);
	ck_assert_int_eq(admin_frame_get_header((const uint8_t *)"\xff\xff\xff\xff", 4, &len),
			 DHT_ETOOBIG);
	admin_frame_put_header(header, ADMIN_FRAME_MAX);
	ck_assert_int_eq(admin_frame_get_header(header, 4, &len), 1);
	ck_assert_uint_eq(len, ADMIN_FRAME_MAX);
	put_u32_be(header, ADMIN_FRAME_MAX + 1);
	ck_assert_int_eq(admin_frame_get_header(header, 4, &len), DHT_ETOOBIG);
}
END_TEST

UNIT_MAIN("wire_admin", 10, requests_without_call_id_or_command_are_refused,
	  keys_and_values_are_bounded, many_tiny_fields_are_refused_whatever_stands_in_front,
	  cas_needs_something_to_compare_within_range, a_put_has_a_ttl_or_keeps_one,
	  a_ttl_reads_or_sets, loaded_entries_bring_their_expiry,
	  a_ttl_is_answered_with_what_is_left, responses_are_whole_frames_that_unpack,
	  status_carries_the_store_and_the_peers, frame_headers_are_checked)
