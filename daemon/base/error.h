/* SPDX-License-Identifier: Apache-2.0
 *
 * base/error - the one table of error codes.
 *
 * Why     A function that can fail returns 0 or a negative DHT_E* from here;
 *         the text, the admin protocol's code and the exit code of dhtctl are
 *         columns of the same row, so they cannot drift apart.
 * Thread  any.
 */
#ifndef DHT_BASE_ERROR_H
#define DHT_BASE_ERROR_H

/* X(name, number, exit code of dhtctl, text). Numbers travel in the admin
 * protocol: they are never reused. */
#define DHT_ERRORS(X)                                                                              \
	X(DHT_EINVAL, 1, 2, "invalid argument")                                                    \
	X(DHT_ENOMEM, 2, 1, "out of memory")                                                       \
	X(DHT_EFULL, 3, 1, "queue or table is full")                                               \
	X(DHT_ENOTFOUND, 4, 3, "key not found")                                                    \
	X(DHT_EPRECOND, 5, 5, "precondition failed")                                               \
	X(DHT_EUNCERTAIN, 6, 6, "outcome unknown")                                                 \
	X(DHT_ENOQUORUM, 7, 7, "no quorum")                                                        \
	X(DHT_EDENIED, 8, 8, "permission denied")                                                  \
	X(DHT_EUNSAFE, 9, 9, "refused as unsafe")                                                  \
	X(DHT_EPROTO, 10, 1, "malformed message")                                                  \
	X(DHT_ETOOBIG, 11, 2, "larger than the limit")                                             \
	X(DHT_EBUSY, 12, 1, "in use by another process")                                           \
	X(DHT_EIO, 13, 1, "input/output error")                                                    \
	X(DHT_ENOSPC, 14, 1, "no space left")                                                      \
	X(DHT_ETYPE, 15, 1, "value is not an integer or out of range")                             \
	X(DHT_EUNKNOWN, 16, 2, "unknown command")                                                  \
	X(DHT_ECLOSED, 17, 1, "connection closed")                                                 \
	X(DHT_EAGAIN, 18, 1, "not ready yet")                                                      \
	X(DHT_ECORRUPT, 19, 1, "stored data is damaged")                                           \
	X(DHT_ECONF, 20, 2, "bad configuration")                                                   \
	X(DHT_EUNAVAIL, 21, 4, "daemon not reachable")                                             \
	X(DHT_ESTOPPING, 22, 1, "the node is stopping")                                            \
	X(DHT_EDAMAGED, 23, 1, "the disk failed or lied")                                          \
	X(DHT_ESTARTING, 24, 1, "the node is starting: dhtctl status shows how far it is")         \
	X(DHT_EOVERFLOW, 25, 1, "increment or decrement would overflow")

enum dht_error {
#define X(name, number, exit_code, text) name = -(number),
	DHT_ERRORS(X)
#undef X
};

/* Returns the text of a code of the table, "ok" for 0, "unknown error" otherwise. */
const char *dht_error_text(int error);

/* Returns the exit code with which dhtctl reports error; 0 for 0, 1 when unknown. */
int dht_error_exit_code(int error);

/* Returns the DHT_E* that stands for an errno value: never 0. */
int dht_error_from_errno(int errnum);

#endif
