/* SPDX-License-Identifier: Apache-2.0
 *
 * server/identity - who this node is, across restarts: the file `identity` in data_dir.
 *
 * Why     A node's id and the seed of its hashes last as long as its data. The start count
 *         makes what one run sends tell itself from what an earlier one sent. How the last
 *         run ended, under which mode of fsync and which boot of the machine, says whether
 *         this node may have forgotten what it promised.
 * Owns    Nothing: a struct identity is a value.
 * Thread  the main thread.
 * Errors  A negative DHT_E* with a sentence for the operator in why: DHT_ECORRUPT, the file
 *         is damaged, or missing beside a log (no new one is invented: the node would be
 *         another one with this one's data), or the log of a node that has run is missing;
 *         those of store/os.h.
 *
 * The file is text, for people to read and to recover by hand; it is replaced as a whole,
 * and nothing but what identity.c writes is accepted:
 *
 *     dhtd identity, format 1
 *     id 5f0c7a42e1d94b3c8f6e2d1b0a998877
 *     hash_seed 0123456789abcdef
 *     starts 12
 *     boot_id 8e2f0c3e-4e4c-4d39-9d9c-0c9d2ab1c0de
 *     fsync always
 *     stop clean
 *     counter 731204
 *     checksum 89abcdef01234567
 *
 * starts, boot_id and fsync are of the latest run; stop is clean or unclean, and unclean
 * while the node runs. counter is where paxos/counter stood at a clean stop, 0 otherwise.
 * The checksum is the XXH3 of all before its line.
 *
 * The order of a start: identity_load, store_open, identity_begin, the first message. The
 * run is written down only after recovery has made durable all that it found: otherwise a
 * power cut in between would lose it, and the file would tell of a run that syncs always.
 * A start that is refused before identity_begin leaves the file as it was, and is refused
 * again. A node that has begun has a log: store_open made it.
 */
#ifndef DHT_SERVER_IDENTITY_H
#define DHT_SERVER_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "conf/conf.h"

struct store_os;

#define IDENTITY_NAME "identity"

enum {
	IDENTITY_ID_SIZE = 33,      /* 32 hexadecimal digits and a NUL */
	IDENTITY_BOOT_ID_SIZE = 37, /* an UUID and a NUL */
	IDENTITY_WHY_MAX = 256,
};

/* Fills len bytes with random ones. */
typedef void (*identity_random_fn)(void *out, size_t len);

struct identity {
	char id[IDENTITY_ID_SIZE]; /* of the node, 128 random bits, drawn once */
	uint64_t hash_seed;        /* of the keys' hashes, drawn once, or the cluster's */
	uint64_t starts;           /* runs that were begun, this one included after begin */
	char boot_id[IDENTITY_BOOT_ID_SIZE]; /* of the machine; "" is none, equal to no other */
	enum conf_fsync fsync;

	/* Of the last run, as identity_load found it; a new node's ended cleanly. */
	enum conf_fsync last_fsync;
	bool has_stopped_cleanly;
	uint64_t last_counter; /* at a clean stop, 0 otherwise */
	/* It ended uncleanly, did not sync always, and the machine was booted since: what it
	 * acknowledged last, or promised to other nodes, may be gone. */
	bool may_have_forgotten;
};

/* Writes the id of the machine's boot, "" if the kernel does not tell. */
void identity_read_boot_id(char out[IDENTITY_BOOT_ID_SIZE]);

/* Reads the identity for a run under this boot and mode; creates one, durably, in a
 * directory that holds neither an identity nor a log. Changes nothing else. */
int identity_load(const struct store_os *os, identity_random_fn random, const char *boot_id,
		  enum conf_fsync fsync, struct identity *out,
		  char why[IDENTITY_WHY_MAX]) DHT_MUST_CHECK;

/* Verifies what identity_load would read, and creates nothing. out is set if *found is. */
int identity_check(const struct store_os *os, struct identity *out, bool *found,
		   char why[IDENTITY_WHY_MAX]) DHT_MUST_CHECK;

/* Begins the run: raises starts and takes the clean-stop mark away, durably. */
int identity_begin(const struct store_os *os, struct identity *identity,
		   char why[IDENTITY_WHY_MAX]) DHT_MUST_CHECK;

/* Takes over the seed of a cluster that the node joins, durably, while it runs. */
int identity_set_seed(const struct store_os *os, struct identity *identity, uint64_t hash_seed,
		      char why[IDENTITY_WHY_MAX]) DHT_MUST_CHECK;

/* Marks the run as ended cleanly, durably: the last act of a stop, after the whole log was
 * synced, whatever the mode, and the last message handled. counter is that of the node. */
int identity_stop(const struct store_os *os, const struct identity *identity, uint64_t counter,
		  char why[IDENTITY_WHY_MAX]) DHT_MUST_CHECK;

/* Returns the durable ceiling of the counter for the next run: after a clean stop the exact
 * counter, otherwise the ceiling that the log holds; never less than the highest counter
 * of a record in it. */
uint64_t identity_ceiling(const struct identity *identity, uint64_t log_ceiling,
			  uint64_t highest_counter);

#endif
