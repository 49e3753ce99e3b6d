/* SPDX-License-Identifier: Apache-2.0
 *
 * worker/silence - for how long a member owes answers.
 *
 * Why     A member that does not answer as soon as it usually does is bypassed by what comes next
 *         (DESIGN.md, section 6), long before heartbeats tell that it is gone: also one that
 *         is stopped, or whose disk hangs, while its connections stay.
 * Owns    Nothing.
 * Thread  values; one worker's.
 *
 * Silence begins with a question and lasts until something of its kind is answered. Whoever answers
 * steadily is not silent, however many questions are open: some may never be answered.
 */
#ifndef DHT_WORKER_SILENCE_H
#define DHT_WORKER_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* What an answer takes. A write's needs the disk there; that to a forwarded one a whole round,
 * or several against others. */
enum silence_kind { SILENCE_READ, SILENCE_ACCEPT, SILENCE_FORWARD, SILENCE_KINDS };

enum {
	SILENCE_MIN_US = 10000,      /* that is unusual */
	SILENCE_MAX_US = 250000,     /* by then a probe has told more */
	SILENCE_DOUBT_US = 100000,   /* after which one is made, whatever is usual */
	SILENCE_AT_FIRST_US = 50000, /* that is unusual before it is known what is usual */
	SILENCE_TIMES = 4,           /* of the time within which 99 of 100 answers come */
};

/* The times within which 99 of 100 answers come; 0: it is not known. */
struct silence_usual {
	uint64_t read_us, write_us;
};

struct silence {
	/* By kind: since when it lasts, 0: nothing is open; the latest question. */
	uint64_t since_us[SILENCE_KINDS], asked_us[SILENCE_KINDS];
};

/* A question goes out. True: a silence begins with it. */
bool silence_ask(struct silence *s, enum silence_kind kind, uint64_t now_us);

/* The answer to a question of a kind has come, which was asked then; 0: long ago. Links keep the
 * order: what was asked before is as good as answered, if it takes no more than this. */
void silence_answer(struct silence *s, enum silence_kind kind, uint64_t asked_us, uint64_t now_us);

/* Nothing is open any more. */
void silence_end(struct silence *s);

/* When a silence that lasts becomes an unusual one: the earliest of all kinds; UINT64_MAX: there
 * is none. */
uint64_t silence_due_us(const struct silence *s, const struct silence_usual *usual);

/* When there is something to be done about a silence that lasts, also a usual one: it is in doubt
 * then whether the member lives. UINT64_MAX: there is none. */
uint64_t silence_doubt_us(const struct silence *s, const struct silence_usual *usual);

/* What it owes for writes is waited for no longer: a silence that goes on begins now. */
void silence_leave_writes(struct silence *s, uint64_t now_us);

/* Since when both accepts and forwarded writes are not answered; UINT64_MAX / 2: one of them is. */
uint64_t silence_of_writes_us(const struct silence *s);

/* When the longest silence began; UINT64_MAX: there is none. */
uint64_t silence_since_us(const struct silence *s);

#endif
