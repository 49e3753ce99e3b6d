/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "node/change.h"
#include "unit.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static const struct ballot old_version = {.order = 7 << BALLOT_MEMBER_BITS | 3, .version = 2};

static struct record value_record(const char *value)
{
	return (struct record){
	    .kind = RECORD_VALUE,
	    .acc = old_version,
	    .ver = old_version,
	    .expires_ms = 99,
	    .value = text(value),
	};
}

static const struct record tombstone = {
    .kind = RECORD_TOMBSTONE,
    .ver = {.order = 5 << BALLOT_MEMBER_BITS, .version = 1},
};

/* What a change points to lasts until the next one. */
static struct arena arena;

static void apply(const struct op *op, const struct record *base, struct change *change,
		  struct op_result *result)
{
	arena_fini(&arena);
	change_apply(op, base, &arena, change, result);
}

START_TEST(get_answers_the_value_and_changes_nothing)
{
	struct record base = value_record("v");
	struct op op = {.kind = OP_GET};
	struct change change;
	struct op_result result = {0};
	apply(&op, &base, &change, &result);
	ck_assert_int_eq(result.status, 0);
	ck_assert(bytes_equal(result.value, text("v")));
	ck_assert(ballot_equal(result.version, old_version));
	ck_assert_uint_eq(result.expires_ms, 99);
	ck_assert(result.existed && result.size == 1);
	ck_assert(!change.changes);
	apply(&op, &tombstone, &change, &result);
	ck_assert_int_eq(result.status, DHT_ENOTFOUND);
	ck_assert(!result.existed && result.size == 0 && result.value.len == 0);
	ck_assert(ballot_is_absent(result.version));
	ck_assert(!change.changes);
}
END_TEST

START_TEST(put_obeys_its_condition_and_drops_the_expiry)
{
	struct record base = value_record("old");
	struct {
		enum op_condition condition;
		const struct record *base;
		int status;
	} cases[] = {
	    {OP_ALWAYS, &base, 0},
	    {OP_ALWAYS, &tombstone, 0},
	    {OP_IF_ABSENT, &base, DHT_EPRECOND},
	    {OP_IF_ABSENT, &tombstone, 0},
	    {OP_IF_PRESENT, &base, 0},
	    {OP_IF_PRESENT, &tombstone, DHT_EPRECOND},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct op op = {
		    .kind = OP_PUT, .conditions = cases[i].condition, .value = text("new")};
		struct change change;
		struct op_result result = {0};
		apply(&op, cases[i].base, &change, &result);
		ck_assert_int_eq(result.status, cases[i].status);
		ck_assert_int_eq(change.changes, cases[i].status == 0);
		if (change.changes) {
			ck_assert_int_eq(change.kind, RECORD_VALUE);
			ck_assert(bytes_equal(change.value, text("new")));
			ck_assert_uint_eq(change.expires_ms, 0);
		}
	}
}
END_TEST

START_TEST(del_writes_a_tombstone_only_over_a_value)
{
	struct record base = value_record("v");
	struct op op = {.kind = OP_DEL};
	struct change change;
	struct op_result result = {0};
	apply(&op, &base, &change, &result);
	ck_assert_int_eq(result.status, 0);
	ck_assert(change.changes && change.kind == RECORD_TOMBSTONE && change.value.len == 0);
	apply(&op, &tombstone, &change, &result);
	ck_assert_int_eq(result.status, DHT_ENOTFOUND);
	ck_assert(!change.changes);
}
END_TEST

START_TEST(cas_compares_value_or_version_and_keeps_the_expiry)
{
	struct record base = value_record("v");
	struct change change;
	struct op_result result = {0};
	struct op by_value = {.kind = OP_CAS_VALUE, .expected = text("v"), .value = text("w")};
	apply(&by_value, &base, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.expires_ms == 99);
	by_value.expected = text("vv");
	apply(&by_value, &base, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
	by_value.expected = text("");
	apply(&by_value, &tombstone, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);

	struct op by_version = {
	    .kind = OP_CAS_VERSION, .expected_version = old_version, .value = text("w")};
	apply(&by_version, &base, &change, &result);
	ck_assert(result.status == 0 && change.changes);
	apply(&by_version, &tombstone, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
	/* A tombstone's own ballot is no version of a value. */
	by_version.expected_version = tombstone.ver;
	apply(&by_version, &tombstone, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
	by_version.expected_version = BALLOT_ABSENT;
	apply(&by_version, &tombstone, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.expires_ms == 0);
	apply(&by_version, &base, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
}
END_TEST

START_TEST(incr_adds_within_64_bits)
{
	struct {
		const char *base; /* NULL: absent */
		int64_t delta;
		const char *sum; /* NULL: refused */
		int status;
	} cases[] = {
	    {NULL, 1, "1", 0},
	    {NULL, -5, "-5", 0},
	    {"41", 1, "42", 0},
	    {"-1", 1, "0", 0},
	    {"9223372036854775806", 1, "9223372036854775807", 0},
	    {"9223372036854775807", 1, NULL, DHT_EOVERFLOW},
	    {"-9223372036854775808", 0, "-9223372036854775808", 0},
	    {"-9223372036854775808", -1, NULL, DHT_EOVERFLOW},
	    {"-9223372036854775809", 0, NULL, DHT_ETYPE},
	    {"9223372036854775808", 0, NULL, DHT_ETYPE},
	    {"", 1, NULL, DHT_ETYPE},
	    {"-", 1, NULL, DHT_ETYPE},
	    {"+1", 1, NULL, DHT_ETYPE},
	    {"01", 1, NULL, DHT_ETYPE},
	    {"-0", 1, NULL, DHT_ETYPE},
	    {" 1", 1, NULL, DHT_ETYPE},
	    {"1 ", 1, NULL, DHT_ETYPE},
	    {"1.5", 1, NULL, DHT_ETYPE},
	    {"12345678901234567890", 1, NULL, DHT_ETYPE},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct record base =
		    cases[i].base != NULL ? value_record(cases[i].base) : tombstone;
		struct op op = {.kind = OP_INCR, .delta = cases[i].delta};
		struct change change;
		struct op_result result = {0};
		apply(&op, &base, &change, &result);
		ck_assert_msg(result.status == cases[i].status, "case %zu", i);
		ck_assert_int_eq(change.changes, cases[i].sum != NULL);
		if (cases[i].sum == NULL)
			continue;
		char digits[32];
		snprintf(digits, sizeof(digits), "%lld", (long long)result.number);
		ck_assert_str_eq(digits, cases[i].sum);
		ck_assert(bytes_equal(change.value, text(cases[i].sum)));
		ck_assert_uint_eq(change.expires_ms, cases[i].base != NULL ? 99 : 0);
	}
}
END_TEST

/* What an operation, which must end with this status, makes of base. */
static struct change applied(struct op op, const struct record *base, int status)
{
	struct change change;
	struct op_result result = {0};
	apply(&op, base, &change, &result);
	ck_assert_int_eq(result.status, status);
	return change;
}

static void assert_writes(const struct change *change, const char *value, uint64_t expires_ms)
{
	ck_assert(change->changes && !change->is_expiry && change->kind == RECORD_VALUE);
	ck_assert(bytes_equal(change->value, text(value)));
	ck_assert_uint_eq(change->expires_ms, expires_ms);
}

static bool is_tombstone(const struct change *change)
{
	return change->changes && change->kind == RECORD_TOMBSTONE && change->value.len == 0 &&
	       change->expires_ms == 0;
}

START_TEST(put_sets_keeps_or_drops_the_expiry)
{
	struct record base = value_record("old");
	struct op op = {.kind = OP_PUT, .value = text("new"), .now_ms = 50};
	struct change change = applied(op, &base, 0);
	assert_writes(&change, "new", 0);
	op.expiry = OP_EXPIRY_KEEP;
	change = applied(op, &base, 0);
	assert_writes(&change, "new", 99);
	change = applied(op, &tombstone, 0);
	assert_writes(&change, "new", 0);
	op.expiry = OP_EXPIRY_AT;
	op.expires_ms = 51;
	change = applied(op, &base, 0);
	assert_writes(&change, "new", 51);
	change = applied(op, &tombstone, 0);
	assert_writes(&change, "new", 51);
}
END_TEST

START_TEST(put_with_a_time_that_has_come_removes_the_key)
{
	struct record base = value_record("old");
	uint64_t past[] = {0, 1, 50};
	for (size_t i = 0; i < DHT_ARRAY_LEN(past); i++) {
		struct op op = {.kind = OP_PUT,
				.value = text("new"),
				.expiry = OP_EXPIRY_AT,
				.expires_ms = past[i],
				.now_ms = 50};
		struct change change = applied(op, &base, 0);
		ck_assert(is_tombstone(&change) && !change.is_expiry);
		ck_assert(!applied(op, &tombstone, 0).changes);
		op.conditions = OP_IF_ABSENT;
		ck_assert(!applied(op, &base, DHT_EPRECOND).changes);
	}
}
END_TEST

START_TEST(expire_changes_the_expiry_alone)
{
	struct record base = value_record("v");
	struct op op = {
	    .kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT, .expires_ms = 1000, .now_ms = 50};
	struct change change = applied(op, &base, 0);
	assert_writes(&change, "v", 1000);
	op.expires_ms = 99;
	ck_assert(!applied(op, &base, 0).changes);
	op.expires_ms = 50;
	change = applied(op, &base, 0);
	ck_assert(is_tombstone(&change) && !change.is_expiry);
	ck_assert(!applied(op, &tombstone, DHT_ENOTFOUND).changes);
	op.expiry = OP_EXPIRY_KEEP;
	ck_assert(!applied(op, &base, 0).changes);
	op.expiry = OP_EXPIRY_CLEAR;
	change = applied(op, &base, 0);
	assert_writes(&change, "v", 0);
	base.expires_ms = 0;
	ck_assert(!applied(op, &base, 0).changes);
}
END_TEST

START_TEST(ttl_tells_the_expiry_without_the_value)
{
	struct record base = value_record("v");
	struct op op = {.kind = OP_TTL, .now_ms = 50};
	struct change change;
	struct op_result result = {0};
	apply(&op, &base, &change, &result);
	ck_assert(result.status == 0 && !change.changes && result.value.len == 0);
	ck_assert_uint_eq(result.expires_ms, 99);
	ck_assert(ballot_equal(result.version, old_version));
	ck_assert(!applied(op, &tombstone, DHT_ENOTFOUND).changes);
}
END_TEST

/* An expired record is as good as none, to the millisecond, for every operation; and one
 * that would leave it there makes a tombstone of it (the register protocol, section 3). */
START_TEST(an_expired_record_counts_as_absent)
{
	struct {
		struct op op;
		int status;
		const char *value; /* that is written; NULL: a tombstone */
	} cases[] = {
	    {{.kind = OP_GET}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_TTL}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_DEL}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT, .expires_ms = 500}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_CLEAR}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_PUT, .conditions = OP_IF_PRESENT}, DHT_EPRECOND, NULL},
	    {{.kind = OP_PUT, .expiry = OP_EXPIRY_AT, .expires_ms = 99}, 0, NULL},
	    {{.kind = OP_PUT, .conditions = OP_IF_ABSENT, .value = text("w")}, 0, "w"},
	    {{.kind = OP_PUT, .expiry = OP_EXPIRY_KEEP, .value = text("w")}, 0, "w"},
	    {{.kind = OP_CAS_VALUE, .expected = text("41"), .value = text("w")},
	     DHT_EPRECOND,
	     NULL},
	    {{.kind = OP_CAS_VERSION, .expected_version = old_version}, DHT_EPRECOND, NULL},
	    {{.kind = OP_CAS_VERSION, .value = text("w")}, 0, "w"},
	    {{.kind = OP_INCR, .delta = 7}, 0, "7"},
	    {{.kind = OP_INCR_FLOAT, .delta_float = 7.5L}, 0, "7.5"},
	    {{.kind = OP_APPEND, .value = text("w"), .value_max = 1}, 0, "w"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct record base = value_record("41");
		struct change change;
		struct op_result result = {0};
		cases[i].op.now_ms = 99;
		apply(&cases[i].op, &base, &change, &result);
		ck_assert_msg(result.status == cases[i].status, "case %zu", i);
		ck_assert(ballot_is_absent(result.version) && result.expires_ms == 0);
		ck_assert(result.size == 0 && !result.existed);
		if (cases[i].op.kind != OP_INCR_FLOAT)
			ck_assert_uint_eq(result.value.len, 0);
		if (cases[i].value != NULL)
			assert_writes(&change, cases[i].value, 0);
		else
			ck_assert_msg(is_tombstone(&change) && change.is_expiry, "case %zu", i);
		/* A millisecond earlier it is there. */
		struct op get = {.kind = OP_GET, .now_ms = 98};
		ck_assert(!applied(get, &base, 0).changes);
		base.expires_ms = 0;
		get.now_ms = UINT64_MAX;
		ck_assert(!applied(get, &base, 0).changes);
	}
}
END_TEST

/* The texts are those of Redis 7.0.15. */
START_TEST(incr_float_adds_and_writes_as_redis_does)
{
	struct {
		const char *base; /* NULL: absent */
		const char *delta;
		const char *sum; /* NULL: refused */
		int status;
	} cases[] = {
	    {NULL, "3.0", "3", 0},
	    {NULL, "-1e-30", "0", 0},
	    {NULL, "1e-4940", "0", 0},
	    {NULL, "0x1p-3", "0.125", 0},
	    {"10", "1.1", "11.1", 0},
	    {"8", ".5", "8.5", 0},
	    {"8.5", "5.", "13.5", 0},
	    {"13.725", "-0x1.8p1", "10.725", 0},
	    {"1", "0x10", "17", 0},
	    {"3", "+5", "8", 0},
	    {"0.1", "0.2", "0.3", 0},
	    {"100", "-200", "-100", 0},
	    {"1e3", "0", "1000", 0},
	    {"abc", "1", NULL, DHT_ETYPE},
	    {"", "1", NULL, DHT_ETYPE},
	    {"abc", "inf", NULL, DHT_ETYPE},
	    {"1", "inf", NULL, DHT_EOVERFLOW},
	    {"inf", "1", NULL, DHT_EOVERFLOW},
	    {"inf", "-inf", NULL, DHT_EOVERFLOW},
	    {"1e4932", "1e4932", NULL, DHT_EOVERFLOW},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct record base =
		    cases[i].base != NULL ? value_record(cases[i].base) : tombstone;
		struct op op = {.kind = OP_INCR_FLOAT};
		struct change change;
		struct op_result result = {0};
		ck_assert(change_parse_float(text(cases[i].delta), &op.delta_float));
		apply(&op, &base, &change, &result);
		ck_assert_msg(result.status == cases[i].status, "case %zu", i);
		ck_assert_int_eq(change.changes, cases[i].sum != NULL);
		if (cases[i].sum == NULL) {
			ck_assert_uint_eq(result.value.len, 0);
			continue;
		}
		ck_assert_msg(bytes_equal(change.value, text(cases[i].sum)), "case %zu", i);
		ck_assert(bytes_equal(result.value, change.value));
		ck_assert_uint_eq(change.expires_ms, cases[i].base != NULL ? 99 : 0);
	}
}
END_TEST

START_TEST(incr_float_writes_thousands_of_digits)
{
	struct op op = {.kind = OP_INCR_FLOAT};
	struct change change;
	struct op_result result = {0};
	ck_assert(change_parse_float(text("-1e4932"), &op.delta_float));
	apply(&op, &tombstone, &change, &result);
	ck_assert_int_eq(result.status, 0);
	ck_assert_uint_eq(result.value.len, 4934);
	ck_assert_int_eq(memcmp(result.value.data, "-100000000000000000000601894938796389", 37), 0);
	/* It reads what it has written. */
	static char copy[4935];
	memcpy(copy, result.value.data, 4934);
	struct record base = value_record(copy);
	op.delta_float = -op.delta_float;
	apply(&op, &base, &change, &result);
	ck_assert(result.status == 0 && bytes_equal(result.value, text("0")));
}
END_TEST

START_TEST(a_float_is_what_redis_takes_for_one)
{
	static const char *const refused[] = {
	    "",       " 1",      "1 ",      "1\t", "\v1", "nan", "-nan", "nan(1)", "1e",
	    "1e5000", "-1e5000", "1e-5000", "1,5", "--1", "0x",  "e5",   ".",      "1_0"};
	long double number;
	for (size_t i = 0; i < DHT_ARRAY_LEN(refused); i++)
		ck_assert_msg(!change_parse_float(text(refused[i]), &number), "%s", refused[i]);
	ck_assert(!change_parse_float(bytes_of("1\0", 2), &number));
	ck_assert(!change_parse_float(bytes_of("\0", 1), &number));
	ck_assert(change_parse_float(text("1e-4940"), &number) && number > 0);
	ck_assert(change_parse_float(text("-infinity"), &number) && number < 0);
	static char zeros[5 * 1024];
	memset(zeros, '0', sizeof(zeros));
	ck_assert(!change_parse_float(bytes_of(zeros, sizeof(zeros)), &number));
	ck_assert(change_parse_float(bytes_of(zeros, sizeof(zeros) - 1), &number));
}
END_TEST

START_TEST(append_makes_the_value_longer_up_to_a_bound)
{
	struct record base = value_record("abc");
	struct op op = {.kind = OP_APPEND, .value = text("defgh"), .value_max = 8};
	struct change change;
	struct op_result result = {0};
	apply(&op, &base, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.expires_ms == 99);
	ck_assert(bytes_equal(change.value, text("abcdefgh")));
	/* Absent: the value is what is added, even if that is nothing. */
	apply(&op, &tombstone, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.expires_ms == 0);
	ck_assert(bytes_equal(change.value, text("defgh")));
	op.value = text("");
	apply(&op, &tombstone, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.value.len == 0);
	apply(&op, &base, &change, &result);
	ck_assert(result.status == 0 && !change.changes && result.size == 3);
	op.value = text("defghi");
	apply(&op, &base, &change, &result);
	ck_assert(result.status == DHT_ETOOBIG && !change.changes);
	op.value_max = 5;
	apply(&op, &tombstone, &change, &result);
	ck_assert(result.status == DHT_ETOOBIG && !change.changes);
	op.value_max = 2;
	op.value = text("d");
	apply(&op, &base, &change, &result);
	ck_assert(result.status == DHT_ETOOBIG && !change.changes);
}
END_TEST

/* All that are asked for must hold; of a key that is not there DEL and EXPIRE say that. */
START_TEST(conditions_hold_or_nothing_is_done)
{
	struct record forever = value_record("v"), expiring = value_record("v");
	forever.expires_ms = 0;
	expiring.expires_ms = 100;
	enum { NEVER = 0 }; /* of the operation: OP_EXPIRY_CLEAR */
	struct {
		unsigned conditions;
		uint64_t at;
		bool absent, if_forever, if_expiring; /* done, where the key is this */
	} cases[] = {
	    {OP_IF_EQUAL, 200, false, true, true},
	    {OP_IF_EQUAL | OP_IF_PRESENT, 200, false, true, true},
	    {OP_IF_EQUAL | OP_IF_ABSENT, 200, false, false, false},
	    {OP_IF_EXPIRING, 200, false, false, true},
	    {OP_IF_EXPIRING, NEVER, false, false, true},
	    {OP_IF_NOT_EXPIRING, 200, true, true, false},
	    {OP_IF_LATER, 101, false, false, true},
	    {OP_IF_LATER, 100, false, false, false},
	    {OP_IF_LATER, NEVER, false, false, true},
	    {OP_IF_EARLIER, 99, true, true, true},
	    {OP_IF_EARLIER, 100, true, true, false},
	    {OP_IF_EARLIER, 10, true, true, true},
	    {OP_IF_EARLIER, NEVER, false, false, false},
	    {OP_IF_EARLIER | OP_IF_EXPIRING, 99, false, false, true},
	    {OP_IF_LATER | OP_IF_EARLIER, 99, false, false, false},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct op op = {
		    .conditions = cases[i].conditions,
		    .value = text("w"),
		    .expected = text("v"),
		    .expiry = cases[i].at == NEVER ? OP_EXPIRY_CLEAR : OP_EXPIRY_AT,
		    .expires_ms = cases[i].at,
		    .now_ms = 50,
		};
		const enum op_kind kinds[] = {OP_PUT, OP_DEL, OP_EXPIRE};
		for (size_t k = 0; k < DHT_ARRAY_LEN(kinds); k++) {
			struct change change;
			struct op_result result;
			op.kind = kinds[k];
			apply(&op, &expiring, &change, &result);
			ck_assert_msg(result.status == (cases[i].if_expiring ? 0 : DHT_EPRECOND),
				      "case %zu", i);
			ck_assert_int_eq(change.changes, cases[i].if_expiring);
			apply(&op, &forever, &change, &result);
			ck_assert_msg(result.status == (cases[i].if_forever ? 0 : DHT_EPRECOND),
				      "case %zu", i);
			apply(&op, &tombstone, &change, &result);
			ck_assert_msg(result.status == (op.kind != OP_PUT ? DHT_ENOTFOUND
							: cases[i].absent ? 0
									  : DHT_EPRECOND),
				      "case %zu", i);
		}
		op.kind = OP_PUT;
		op.expected = text("w");
		if ((op.conditions & OP_IF_EQUAL) != 0)
			ck_assert(!applied(op, &expiring, DHT_EPRECOND).changes);
	}
}
END_TEST

START_TEST(the_value_that_was_there_is_a_result_if_it_is_wanted)
{
	struct record base = value_record("v");
	struct {
		struct op op;
		int status, absent_status;
	} cases[] = {
	    {{.kind = OP_PUT, .value = text("w")}, 0, 0},
	    {{.kind = OP_PUT, .conditions = OP_IF_ABSENT, .value = text("w")}, DHT_EPRECOND, 0},
	    {{.kind = OP_DEL}, 0, DHT_ENOTFOUND},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_KEEP}, 0, DHT_ENOTFOUND},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_CLEAR}, 0, DHT_ENOTFOUND},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT}, 0, DHT_ENOTFOUND},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct op op = cases[i].op;
		struct change change;
		struct op_result result;
		apply(&op, &base, &change, &result);
		ck_assert(result.existed && result.value.len == 0);
		op.wants_value = true;
		apply(&op, &base, &change, &result);
		ck_assert_int_eq(result.status, cases[i].status);
		ck_assert(result.existed && bytes_equal(result.value, text("v")));
		apply(&op, &tombstone, &change, &result);
		ck_assert_int_eq(result.status, cases[i].absent_status);
		ck_assert(!result.existed && result.value.len == 0);
		op.now_ms = 99;
		apply(&op, &base, &change, &result);
		ck_assert(!result.existed && result.value.len == 0);
	}
}
END_TEST

START_TEST(what_was_written_is_what_is_there_now)
{
	struct record base = value_record("v");
	struct op op = {
	    .kind = OP_PUT, .value = text("long"), .expiry = OP_EXPIRY_AT, .expires_ms = 500};
	struct ballot at = {.order = 9 << BALLOT_MEMBER_BITS, .version = 2};
	struct change change;
	struct op_result result;
	apply(&op, &base, &change, &result);
	ck_assert(result.size == 1 && result.expires_ms == 99);
	change_written(&change, at, &result);
	ck_assert(result.existed && result.size == 4 && result.expires_ms == 500);
	ck_assert(ballot_equal(result.version, at));
	op.kind = OP_DEL;
	apply(&op, &base, &change, &result);
	change_written(&change, at, &result);
	ck_assert(result.existed && result.size == 0 && result.expires_ms == 0);
	ck_assert(ballot_is_absent(result.version));
}
END_TEST

UNIT_MAIN("change", 4, get_answers_the_value_and_changes_nothing,
	  put_obeys_its_condition_and_drops_the_expiry, del_writes_a_tombstone_only_over_a_value,
	  cas_compares_value_or_version_and_keeps_the_expiry, incr_adds_within_64_bits,
	  put_sets_keeps_or_drops_the_expiry, put_with_a_time_that_has_come_removes_the_key,
	  expire_changes_the_expiry_alone, ttl_tells_the_expiry_without_the_value,
	  an_expired_record_counts_as_absent, incr_float_adds_and_writes_as_redis_does,
	  incr_float_writes_thousands_of_digits, a_float_is_what_redis_takes_for_one,
	  append_makes_the_value_longer_up_to_a_bound, conditions_hold_or_nothing_is_done,
	  the_value_that_was_there_is_a_result_if_it_is_wanted,
	  what_was_written_is_what_is_there_now)
