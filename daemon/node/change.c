/* SPDX-License-Identifier: Apache-2.0 */
#include "node/change.h"

#include <stdio.h>

#include "base/error.h"

bool change_parse_integer(struct bytes text, int64_t *number)
{
	size_t i = 0;
	bool negative = text.len > 0 && text.data[0] == '-';
	if (negative)
		i = 1;
	if (i == text.len || text.len - i > 19)
		return false;
	if (text.data[i] == '0') {
		*number = 0;
		return text.len == 1;
	}
	uint64_t value = 0; /* 19 digits fit */
	for (; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (value > (uint64_t)INT64_MAX + negative)
		return false;
	*number = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

static void write_value(struct change *change, struct bytes value, uint64_t expires_ms)
{
	change->changes = true;
	change->kind = RECORD_VALUE;
	change->value = value;
	change->expires_ms = expires_ms;
}

static void write_tombstone(struct change *change)
{
	change->changes = true;
	change->kind = RECORD_TOMBSTONE;
	change->value = bytes_of(NULL, 0);
	change->expires_ms = 0;
}

void change_expire(struct change *change)
{
	write_tombstone(change);
	change->is_expiry = true;
}

/* Writes value with the expiry that op asks for; where that is over already, nothing is
 * to be there. kept_ms is the expiry of what is there. */
static void write_expiring(const struct op *op, struct bytes value, bool exists, uint64_t kept_ms,
			   struct change *change)
{
	switch (op->expiry) {
	case OP_EXPIRY_CLEAR:
		write_value(change, value, 0);
		return;
	case OP_EXPIRY_KEEP:
		write_value(change, value, exists ? kept_ms : 0);
		return;
	case OP_EXPIRY_AT:
		if (op->expires_ms > op->now_ms)
			write_value(change, value, op->expires_ms);
		else if (exists)
			write_tombstone(change);
		return;
	}
	DHT_UNREACHABLE();
}

static int apply_put(const struct op *op, const struct record *base, bool exists,
		     struct change *change)
{
	if ((op->condition == OP_IF_ABSENT && exists) ||
	    (op->condition == OP_IF_PRESENT && !exists))
		return DHT_EPRECOND;
	write_expiring(op, op->value, exists, base->expires_ms, change);
	return 0;
}

static int apply_del(bool exists, struct change *change)
{
	if (!exists)
		return DHT_ENOTFOUND;
	write_tombstone(change);
	return 0;
}

static int apply_expire(const struct op *op, const struct record *base, bool exists,
			struct change *change)
{
	if (!exists)
		return DHT_ENOTFOUND;
	write_expiring(op, base->value, exists, base->expires_ms, change);
	if (change->kind == RECORD_VALUE && change->expires_ms == base->expires_ms)
		change->changes = false;
	return 0;
}

static int apply_incr(const struct op *op, const struct record *base, bool exists,
		      struct change *change, int64_t *number)
{
	int64_t current = 0, sum;
	if (exists && !change_parse_integer(base->value, &current))
		return DHT_ETYPE;
	if (__builtin_add_overflow(current, op->delta, &sum))
		return DHT_ETYPE;
	int len = snprintf(change->digits, sizeof(change->digits), "%lld", (long long)sum);
	write_value(change, bytes_of(change->digits, (size_t)len), exists ? base->expires_ms : 0);
	*number = sum;
	return 0;
}

static void apply(const struct op *op, const struct record *base, bool exists,
		  struct change *change, struct op_result *result)
{
	struct ballot version = exists ? base->ver : BALLOT_ABSENT;
	result->version = version;
	result->expires_ms = exists ? base->expires_ms : 0;
	switch (op->kind) {
	case OP_GET:
		result->status = exists ? 0 : DHT_ENOTFOUND;
		result->value = exists ? base->value : bytes_of(NULL, 0);
		return;
	case OP_PUT:
		result->status = apply_put(op, base, exists, change);
		return;
	case OP_DEL:
		result->status = apply_del(exists, change);
		return;
	case OP_CAS_VALUE:
		result->status = DHT_EPRECOND;
		if (exists && bytes_equal(base->value, op->expected)) {
			write_value(change, op->value, base->expires_ms);
			result->status = 0;
		}
		return;
	case OP_CAS_VERSION:
		result->status = DHT_EPRECOND;
		if (ballot_equal(version, op->expected_version)) {
			write_value(change, op->value, exists ? base->expires_ms : 0);
			result->status = 0;
		}
		return;
	case OP_INCR:
		result->status = apply_incr(op, base, exists, change, &result->number);
		return;
	case OP_EXPIRE:
		result->status = apply_expire(op, base, exists, change);
		return;
	case OP_TTL:
		result->status = exists ? 0 : DHT_ENOTFOUND;
		return;
	}
	DHT_UNREACHABLE();
}

void change_apply(const struct op *op, const struct record *base, struct change *change,
		  struct op_result *result)
{
	bool expired = change_is_expired(base, op->now_ms);
	change->changes = false;
	change->is_expiry = false;
	apply(op, base, base->kind == RECORD_VALUE && !expired, change, result);
	if (expired && !change->changes)
		change_expire(change);
}
