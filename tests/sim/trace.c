/* SPDX-License-Identifier: Apache-2.0
 *
 * A run as text, one line for each thing that happens.
 */
#include <inttypes.h>
#include <stdarg.h>

#include "cluster.h"

enum { BALLOT_TEXT_MAX = 48, VALUE_SHOWN = 24 };

static const char *ballot_text(struct ballot b, char text[BALLOT_TEXT_MAX])
{
	snprintf(text, BALLOT_TEXT_MAX, "%" PRIu32 ".%" PRIu64 ".%" PRIu32, b.version,
		 ballot_counter(b), ballot_member(b));
	return text;
}

void trace_line(struct cluster *c, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(c->trace, "%9" PRIu64 " ", c->now_us);
	vfprintf(c->trace, format, arguments);
	fputc('\n', c->trace);
	va_end(arguments);
}

static void trace_field(struct cluster *c, const char *name, struct ballot b)
{
	char text[BALLOT_TEXT_MAX];
	if (!ballot_is_absent(b))
		fprintf(c->trace, " %s=%s", name, ballot_text(b, text));
}

void trace_stored(struct cluster *c, unsigned host, const struct record *record)
{
	if (c->trace == NULL)
		return;
	fprintf(c->trace, "%9" PRIu64 " store %u key=%.*s", c->now_us, host, (int)record->key.len,
		(const char *)record->key.data);
	trace_field(c, "acc", record->acc);
	trace_field(c, "ver", record->ver);
	trace_field(c, "pver", record->pver);
	fprintf(c->trace, "%s%s\n", record->kind == RECORD_TOMBSTONE ? " tombstone" : "",
		record->copy ? " copy" : "");
}

static void trace_record(struct cluster *c, const struct message *m)
{
	const struct paxos_record *record = &m->record;
	if (!paxos_record_is_there(record))
		return;
	trace_field(c, "acc", record->acc);
	trace_field(c, "ver", record->ver);
	trace_field(c, "pver", record->pver);
	if (record->is_tombstone)
		fprintf(c->trace, " tombstone");
	else if (m->is_omitted)
		fprintf(c->trace, " value omitted");
	else
		fprintf(c->trace, " value=%.*s",
			record->value.len < VALUE_SHOWN ? (int)record->value.len : VALUE_SHOWN,
			(const char *)record->value.data);
	if (record->expires_ms != 0)
		fprintf(c->trace, " expires=%" PRIu64, record->expires_ms);
	if (record->is_copy)
		fprintf(c->trace, " copy");
}

static void trace_range(struct cluster *c, const struct message *m)
{
	if (m->kind != MESSAGE_PULL && m->kind != MESSAGE_CHUNK && m->kind != MESSAGE_COMPARE &&
	    m->kind != MESSAGE_DIFFER)
		return;
	fprintf(c->trace, " hashes %" PRIx32 " to %" PRIx32 ", %zu items%s", m->from_hash,
		m->until_hash, m->item_count, m->is_same ? ", same" : "");
	for (size_t i = 0; i < m->item_count; i++)
		trace_field(c, "item", m->items[i].record.acc);
}

void trace_message(struct cluster *c, const char *what, const struct message *m, unsigned to)
{
	static const char *const holdings[] = {"holds", "gone", "behind"};
	if (c->trace == NULL)
		return;
	fprintf(c->trace, "%9" PRIu64 " %s %u->%u %s block=%" PRIu32 " version=%" PRIu32, c->now_us,
		what, m->from, to, message_name(m->kind), m->block, m->version);
	if (m->key.len > 0)
		fprintf(c->trace, " key=%.*s", (int)m->key.len, (const char *)m->key.data);
	if (m->tag != 0)
		fprintf(c->trace, " tag=%" PRIx64, m->tag);
	if ((m->kind == MESSAGE_PROMISE || m->kind == MESSAGE_OK) && !m->is_ok)
		fprintf(c->trace, " refused");
	if (m->kind == MESSAGE_HELD)
		fprintf(c->trace, " %s", holdings[m->holding]);
	if (m->kind == MESSAGE_STALE)
		fprintf(c->trace, " epoch=%" PRIu64, m->epoch);
	if (m->kind == MESSAGE_RESULT && m->whole != NULL)
		fprintf(c->trace, " status=%d", m->whole->status);
	trace_field(c, "b", m->b);
	trace_field(c, "next", m->next);
	trace_field(c, "bound", m->bound);
	trace_field(c, "named", m->named);
	trace_record(c, m);
	trace_range(c, m);
	fputc('\n', c->trace);
}
