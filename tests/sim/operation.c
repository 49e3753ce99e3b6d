/* SPDX-License-Identifier: Apache-2.0 */
#include "operation.h"

const char *operation_name(enum operation_kind kind)
{
	static const char *const names[] = {
#define X(name) #name,
	    OPERATION_KINDS(X)
#undef X
	};
	return names[kind];
}

uint64_t operation_number(const struct paxos_record *record)
{
	uint64_t number;
	if (!paxos_record_is_there(record) || record->is_tombstone ||
	    record->value.len != sizeof(number))
		return 0;
	memcpy(&number, record->value.data, sizeof(number));
	return number;
}

static uint64_t appended(uint64_t number, uint64_t argument)
{
	uint64_t x = number * 0x9E3779B97F4A7C15ull + argument + 0x7F4A7C15;
	x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9ull;
	return (x ^ (x >> 32)) | 1;
}

bool operation_apply(enum operation_kind kind, uint64_t argument, uint64_t expected,
		     uint64_t *number, uint64_t *result)
{
	uint64_t before = *number;
	switch (kind) {
	case OPERATION_GET:
	case OPERATION_IDENTITY:
		*result = before;
		return false;
	case OPERATION_PUT:
		*number = argument;
		*result = 0;
		return true;
	case OPERATION_APPEND:
		*number = *result = appended(before, argument);
		return true;
	case OPERATION_DELETE:
		*number = 0;
		*result = before != 0;
		return before != 0;
	case OPERATION_SET_IF_ABSENT:
		*result = before == 0;
		break;
	case OPERATION_COMPARE_AND_SET:
		*result = before != 0 && before == expected;
		break;
	}
	if (*result != 0)
		*number = argument;
	return *result != 0;
}

static struct bytes keep(struct values *values, uint64_t number)
{
	DHT_ASSERT(values->count < VALUES_MAX);
	uint64_t *kept = &values->numbers[values->count++];
	*kept = number;
	return bytes_of(kept, sizeof(*kept));
}

bool operation_change(const struct operation *op, const struct paxos_record *base,
		      struct values *values, struct paxos_record *made, uint64_t *result)
{
	uint64_t number = operation_number(base);
	if (!operation_apply(op->kind, op->argument, op->expected, &number, result)) {
		*made = *base;
		return false;
	}
	*made = (struct paxos_record){.is_tombstone = number == 0};
	if (number != 0)
		made->value = keep(values, number);
	return true;
}
