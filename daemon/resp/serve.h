/* SPDX-License-Identifier: Apache-2.0
 *
 * resp/serve - the client port's protocol: requests in, replies out.
 *
 * Why     What one read of a connection brought is taken in batches: the requests of a
 *         batch are parsed and their commands and keys looked up before the first of them
 *         runs, so that the memory they need is on its way to the processor meanwhile;
 *         the replies go out with one write.
 * Thread  resp_scratch_*: set-up. The rest: the worker that owns the session.
 */
#ifndef DHT_RESP_SERVE_H
#define DHT_RESP_SERVE_H

#include "resp/client.h"
#include "resp/parser.h"
#include "resp/port.h"
#include "resp/writer.h"
#include "worker/worker.h"

struct resp_search;
struct resp_transaction;
struct resp_parked;
struct tally;

/* How far a command on several keys has come when it has to wait, or lets others have a
 * turn. */
struct resp_progress {
	uint32_t done;  /* keys */
	uint32_t count; /* what the command counts */
};

/* The state of a client connection. Tens of thousands are idle: what few of them need is
 * allocated on first use. */
struct resp_session {
	struct resp_progress progress; /* zeros between two requests */
	uint64_t spent_ns;             /* on the next request, in its earlier turns */
	struct resp_parser parser;
	struct resp_parked *parked; /* a long request that comes again; NULL: none */
	struct resp_client client;
	_Atomic(enum resp_version) version;   /* 0 before HELLO: RESP2; the owner writes */
	struct resp_transaction *transaction; /* NULL: none, and no key is watched */
	struct resp_search *search;           /* that goes on in another turn; NULL: none */
	struct tally *tally;                  /* likewise */
};

/* The protocol of client connections; struct resp_port has it first. */
extern const struct protocol resp_serve_protocol;

/* A worker's scratch for this protocol: worker->resp. NULL: out of memory. */
void *resp_scratch_create(struct resp_port *port);
void resp_scratch_destroy(void *scratch);

/* What the worker counts; any thread. */
const struct resp_stats *resp_scratch_stats(const void *scratch);

#endif
