/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/silence.h"

bool silence_ask(struct silence *s, enum silence_kind kind, uint64_t now_us)
{
	bool begins = s->since_us[kind] == 0;
	s->asked_us[kind] = now_us;
	if (begins)
		s->since_us[kind] = now_us;
	return begins;
}

void silence_answer(struct silence *s, enum silence_kind kind, uint64_t asked_us, uint64_t now_us)
{
	for (unsigned i = 0; i < SILENCE_KINDS; i++) {
		bool is_answered = i == kind || kind != SILENCE_READ;
		/* What was asked later is open: a silence that goes on begins now. */
		if (is_answered && s->since_us[i] != 0)
			s->since_us[i] = s->asked_us[i] > asked_us ? now_us : 0;
	}
}

void silence_end(struct silence *s)
{
	*s = (struct silence){0};
}

static uint64_t usual_us(enum silence_kind kind, const struct silence_usual *usual)
{
	uint64_t p99_us = kind == SILENCE_READ ? usual->read_us : usual->write_us;
	uint64_t us = p99_us != 0 ? SILENCE_TIMES * p99_us : SILENCE_AT_FIRST_US;
	us = us > SILENCE_MIN_US ? us : SILENCE_MIN_US;
	us = kind == SILENCE_FORWARD ? 2 * us : us;
	return us < SILENCE_MAX_US ? us : SILENCE_MAX_US;
}

uint64_t silence_due_us(const struct silence *s, const struct silence_usual *usual)
{
	uint64_t due_us = UINT64_MAX;
	for (unsigned i = 0; i < SILENCE_KINDS; i++) {
		uint64_t us = s->since_us[i] + usual_us((enum silence_kind)i, usual);
		if (s->since_us[i] != 0 && us < due_us)
			due_us = us;
	}
	return due_us;
}

uint64_t silence_since_us(const struct silence *s)
{
	uint64_t since_us = UINT64_MAX;
	for (unsigned i = 0; i < SILENCE_KINDS; i++) {
		if (s->since_us[i] != 0 && s->since_us[i] < since_us)
			since_us = s->since_us[i];
	}
	return since_us;
}

uint64_t silence_doubt_us(const struct silence *s, const struct silence_usual *usual)
{
	uint64_t due_us = silence_due_us(s, usual), since_us = silence_since_us(s);
	if (since_us == UINT64_MAX)
		return UINT64_MAX;
	return due_us < since_us + SILENCE_DOUBT_US ? due_us : since_us + SILENCE_DOUBT_US;
}

void silence_leave_writes(struct silence *s, uint64_t now_us)
{
	for (unsigned i = SILENCE_ACCEPT; i < SILENCE_KINDS; i++) {
		if (s->since_us[i] != 0)
			s->since_us[i] = now_us;
	}
}

uint64_t silence_of_writes_us(const struct silence *s)
{
	uint64_t accept_us = s->since_us[SILENCE_ACCEPT], forward_us = s->since_us[SILENCE_FORWARD];
	if (accept_us == 0 || forward_us == 0)
		return UINT64_MAX / 2;
	return accept_us > forward_us ? accept_us : forward_us;
}
