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
	  keys_and_values_are_bounded, cas_needs_something_to_compare_within_range,
	  responses_are_whole_frames_that_unpack, frame_headers_are_checked)
