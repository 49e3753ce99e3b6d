/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

enum { APPENDED_MAX = 8192 };

/* What an operation does: a status, and what is there behind it. */
struct effect {
	int status;
	bool changes;
	uint32_t value; /* VALUE_NONE: it is removed */
	uint64_t expires_ms;
	int64_t number;
};

bool model_is_possible(const struct model_op *op, const struct model_state *before, unsigned way,
		       uint64_t earliest_ms, uint64_t latest_ms)
{
	uint64_t old_ms = before->value != VALUE_NONE ? before->expires_ms : 0;
	bool has_new = (op->kind == OP_PUT || op->kind == OP_EXPIRE) && op->expiry == OP_EXPIRY_AT;
	if ((way & MODEL_OLD_EXPIRED) != 0) {
		if (old_ms == 0 || old_ms > latest_ms)
			return false;
	} else if (old_ms != 0 && old_ms <= earliest_ms) {
		return false;
	}
	if ((way & MODEL_NEW_EXPIRED) != 0)
		return has_new && op->expires_ms <= latest_ms;
	return !has_new || op->expires_ms > earliest_ms;
}

static uint64_t comparable(uint64_t expires_ms)
{
	return expires_ms != 0 ? expires_ms : UINT64_MAX;
}

static uint64_t asked_ms(const struct model_op *op, uint64_t kept_ms)
{
	switch (op->expiry) {
	case OP_EXPIRY_CLEAR:
		return UINT64_MAX;
	case OP_EXPIRY_KEEP:
		return comparable(kept_ms);
	case OP_EXPIRY_AT:
		return op->expires_ms;
	}
	DHT_UNREACHABLE();
}

static bool conditions_hold(const struct model_op *op, const struct model_state *s)
{
	bool is_there = s->value != VALUE_NONE;
	uint64_t kept_ms = is_there ? s->expires_ms : 0;
	unsigned c = op->conditions;
	if ((c & OP_IF_ABSENT) != 0 && is_there)
		return false;
	if ((c & OP_IF_PRESENT) != 0 && !is_there)
		return false;
	if ((c & OP_IF_EQUAL) != 0 && (!is_there || s->value != op->expected))
		return false;
	if ((c & OP_IF_EXPIRING) != 0 && kept_ms == 0)
		return false;
	if ((c & OP_IF_NOT_EXPIRING) != 0 && kept_ms != 0)
		return false;
	if ((c & OP_IF_LATER) != 0 && asked_ms(op, kept_ms) <= comparable(kept_ms))
		return false;
	return (c & OP_IF_EARLIER) == 0 || asked_ms(op, kept_ms) < comparable(kept_ms);
}

static struct effect fails(int status)
{
	return (struct effect){.status = status};
}

static struct effect writes(uint32_t value, uint64_t expires_ms)
{
	return (struct effect){.changes = true, .value = value, .expires_ms = expires_ms};
}

static struct effect writes_expiring(const struct model_op *op, const struct model_state *s,
				     uint32_t value, unsigned way)
{
	bool is_there = s->value != VALUE_NONE;
	if (op->expiry == OP_EXPIRY_CLEAR)
		return writes(value, 0);
	if (op->expiry == OP_EXPIRY_KEEP)
		return writes(value, is_there ? s->expires_ms : 0);
	if ((way & MODEL_NEW_EXPIRED) == 0)
		return writes(value, op->expires_ms);
	return (struct effect){.changes = is_there};
}

static struct effect increments(const struct model_op *op, const struct model_state *s)
{
	char digits[OP_NUMBER_MAX];
	int64_t number = 0;
	if (s->value != VALUE_NONE && !text_parse_integer(value_of(s->value), &number))
		return fails(DHT_ETYPE);
	if (__builtin_add_overflow(number, op->delta, &number))
		return fails(DHT_EOVERFLOW);
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)number);
	struct effect effect = writes(value_intern(bytes_of(digits, (size_t)len)), s->expires_ms);
	effect.number = number;
	return effect;
}

static struct effect appends(const struct model_op *op, const struct model_state *s)
{
	static uint8_t joined[APPENDED_MAX];
	struct bytes head = {0}, tail = value_of(op->value);
	if (s->value != VALUE_NONE)
		head = value_of(s->value);
	DHT_ASSERT(head.len + tail.len <= sizeof(joined));
	if (head.len > 0)
		memcpy(joined, head.data, head.len);
	memcpy(joined + head.len, tail.data, tail.len);
	return writes(value_intern(bytes_of(joined, head.len + tail.len)), s->expires_ms);
}

static struct effect expires(const struct model_op *op, const struct model_state *s, unsigned way)
{
	struct effect effect = writes_expiring(op, s, s->value, way);
	if (effect.value != VALUE_NONE && effect.expires_ms == s->expires_ms)
		effect.changes = false;
	return effect;
}

static bool has_version(const struct model_op *op, const struct model_state *s,
			const struct model_result *told)
{
	if (s->value == VALUE_NONE)
		return ballot_is_absent(op->expected_version);
	if (ballot_is_absent(op->expected_version))
		return false;
	if (ballot_is_absent(s->version))
		return told == NULL || told->status == 0;
	return ballot_equal(op->expected_version, s->version);
}

static struct effect apply(const struct model_op *op, const struct model_state *s, unsigned way,
			   const struct model_result *told)
{
	bool is_there = s->value != VALUE_NONE;
	switch (op->kind) {
	case OP_GET:
	case OP_TTL:
		return fails(is_there ? 0 : DHT_ENOTFOUND);
	case OP_PUT:
		return conditions_hold(op, s) ? writes_expiring(op, s, op->value, way)
					      : fails(DHT_EPRECOND);
	case OP_DEL:
		if (!is_there)
			return fails(DHT_ENOTFOUND);
		return conditions_hold(op, s) ? (struct effect){.changes = true}
					      : fails(DHT_EPRECOND);
	case OP_EXPIRE:
		if (!is_there)
			return fails(DHT_ENOTFOUND);
		return conditions_hold(op, s) ? expires(op, s, way) : fails(DHT_EPRECOND);
	case OP_CAS_VALUE:
		return is_there && s->value == op->expected ? writes(op->value, s->expires_ms)
							    : fails(DHT_EPRECOND);
	case OP_CAS_VERSION:
		return has_version(op, s, told) ? writes(op->value, is_there ? s->expires_ms : 0)
						: fails(DHT_EPRECOND);
	case OP_INCR:
		return increments(op, s);
	case OP_APPEND:
		return appends(op, s);
	case OP_INCR_FLOAT:
		break;
	}
	DHT_UNREACHABLE();
}

static bool shows_value(const struct model_op *op, bool existed)
{
	return existed && (op->kind == OP_GET || op->wants_value);
}

/* Whether that was heard, and which version the value has then. */
static bool agrees(const struct model_op *op, const struct model_state *s,
		   const struct effect *effect, const struct model_result *told,
		   struct model_state *after)
{
	bool existed = s->value != VALUE_NONE;
	if (told->status != effect->status || told->existed != existed)
		return false;
	if (shows_value(op, existed) && told->value != s->value)
		return false;
	if (op->kind == OP_INCR && effect->status == 0 && told->number != effect->number)
		return false;
	if (after->value == VALUE_NONE)
		return ballot_is_absent(told->version);
	if (told->expires_ms != after->expires_ms || told->size != value_of(after->value).len)
		return false;
	/* Of several operations written as one, those whose value is gone at the end tell no
	 * version. */
	if (ballot_is_absent(told->version))
		return effect->changes || ballot_is_absent(s->version);
	if (!ballot_is_absent(after->version) && !ballot_equal(after->version, told->version))
		return false;
	after->version = told->version;
	return true;
}

bool model_apply(const struct model_op *op, const struct model_state *before, unsigned way,
		 const struct model_result *told, struct model_state *after)
{
	struct model_state s = *before;
	if ((way & MODEL_OLD_EXPIRED) != 0)
		s = (struct model_state){0};
	if (s.value == VALUE_NONE)
		s = (struct model_state){0};
	struct effect effect = apply(op, &s, way, told);
	*after = s;
	if (effect.changes && effect.value == VALUE_NONE)
		*after = (struct model_state){0};
	else if (effect.changes)
		*after =
		    (struct model_state){.value = effect.value, .expires_ms = effect.expires_ms};
	return told == NULL || agrees(op, &s, &effect, told, after);
}
