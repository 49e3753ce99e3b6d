/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/address - `host:port` and `[v6]:port`, and lists of them.
 *
 * Why     An address that cannot be one is refused with the configuration, not when
 *         it is first listened on or connected to. Names are not resolved here.
 * Owns    A list owns its elements.
 * Thread  the owner of the list.
 * Errors  DHT_EINVAL: not an address. DHT_ENOMEM. The list is unchanged then.
 */
#ifndef DHT_CONF_ADDRESS_H
#define DHT_CONF_ADDRESS_H

#include "base/assert.h"
#include "base/bytes.h"
#include "conf/conf.h"

/* What conf_addr_list_add accepts, for messages and documentation. */
#define CONF_ADDRESS_SYNTAX "host:port or [IPv6]:port, port 1 to 65535"

/* Appends the address that text stands for: a host name, an IPv4 address or an IPv6
 * address in brackets, then a colon and a port from 1 to 65535. */
int conf_addr_list_add(struct conf_addr_list *list, struct bytes text) DHT_MUST_CHECK;

/* Makes dst, which is empty, a copy of src; dst stays empty if that fails. */
int conf_addr_list_copy(struct conf_addr_list *dst,
			const struct conf_addr_list *src) DHT_MUST_CHECK;

/* Frees the elements; the list is empty again. */
void conf_addr_list_fini(struct conf_addr_list *list);

#endif
