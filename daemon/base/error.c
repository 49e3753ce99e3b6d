/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>

const char *dht_error_text(int error)
{
	switch (error) {
	case 0:
		return "ok";
#define X(name, number, exit_code, text)                                                           \
	case name:                                                                                 \
		return text;
		DHT_ERRORS(X)
#undef X
	}
	return "unknown error";
}

int dht_error_exit_code(int error)
{
	switch (error) {
	case 0:
		return 0;
#define X(name, number, exit_code, text)                                                           \
	case name:                                                                                 \
		return exit_code;
		DHT_ERRORS(X)
#undef X
	}
	return 1;
}

int dht_error_from_errno(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return DHT_EDENIED;
	case ENOMEM:
		return DHT_ENOMEM;
	case ENOSPC:
	case EDQUOT:
		return DHT_ENOSPC;
	case EAGAIN:
		return DHT_EAGAIN;
	case EPIPE:
	case ECONNRESET:
		return DHT_ECLOSED;
	case EADDRINUSE:
	case EBUSY:
		return DHT_EBUSY;
	case EINVAL:
		return DHT_EINVAL;
	default:
		return DHT_EIO;
	}
}
