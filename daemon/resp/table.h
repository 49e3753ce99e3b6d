/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/table - the one table of the client port's commands.
 *
 * Why     Name, arity, flags, key positions, handler and summary of a command are
 *         one row (resp/commands.def); look-up, arity errors and documentation
 *         derive from it.
 * Thread  any; constant.
 */
#ifndef DHT_RESP_TABLE_H
#define DHT_RESP_TABLE_H

#include "base/bytes.h"
#include "resp/serve.h"

struct resp_command {
	const char *name; /* upper case */
	size_t name_len;
	/* Words of a request, the name included; negative: at least that many. */
	int arity;
	uint32_t flags; /* RESP_CMD_* */
	/* Positions of the keys, 1 = the first argument; last < 0 counts from the end. */
	int first_key, last_key, key_step;
	const char *summary;
	void (*run)(struct resp_call *call);
};

/* X(flag, number, the word that COMMAND shows) */
#define RESP_FLAGS(X)                                                                              \
	X(READONLY, 0, "readonly")                                                                 \
	X(WRITE, 1, "write")                                                                       \
	X(FAST, 2, "fast")

enum {
#define X(flag, number, word) RESP_CMD_##flag = 1 << (number),
	RESP_FLAGS(X)
#undef X
};

/* The handlers. */
#define RESP_COMMAND(id, name, arity, flags, first, last, step, summary)                           \
	void resp_run_##id(struct resp_call *call);
#include "resp/commands.def"
#undef RESP_COMMAND

/* Finds a command by its name in any case; NULL if there is none. */
const struct resp_command *resp_table_find(struct bytes name);

/* All rows, in the order of the table. */
const struct resp_command *resp_table_rows(size_t *count);

#endif
