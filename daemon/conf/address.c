/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { HOST_NAME_BYTES_MAX = 253, LABEL_BYTES_MAX = 63 }; /* RFC 1035, section 2.3.4 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_';
}

/* A name whose last label is a number would be taken for an IPv4 address by some
 * resolvers and for a name by others (RFC 1123, section 2.1): only the former pass. */
static bool is_host_name(const char *host)
{
	struct in_addr v4;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return true;

	size_t len = strlen(host);
	if (len > HOST_NAME_BYTES_MAX)
		return false;
	size_t label = 0;
	bool numeric = true;
	for (size_t i = 0; i < len; i++) {
		if (host[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			numeric = true;
		} else {
			if (!is_label_char(host[i]) || ++label > LABEL_BYTES_MAX)
				return false;
			numeric = numeric && is_digit(host[i]);
		}
	}
	return label > 0 && !numeric;
}

static bool parse_port(const char *text, uint16_t *port)
{
	uint32_t value = 0;
	size_t digits = 0;
	for (; is_digit(text[digits]); digits++) {
		value = value * 10 + (uint32_t)(text[digits] - '0');
		if (value > UINT16_MAX)
			return false;
	}
	/* Without leading zeros, so that two spellings of a port cannot differ. */
	if (text[digits] != '\0' || value == 0 || text[0] == '0')
		return false;
	*port = (uint16_t)value;
	return true;
}

/* Takes `HOST:PORT` apart in place; *host points into text, without brackets. */
static bool split(char *text, char **host, uint16_t *port)
{
	char *colon = strrchr(text, ':');
	if (colon == NULL || !parse_port(colon + 1, port))
		return false;
	*colon = '\0';
	if (text[0] != '[') {
		*host = text;
		return is_host_name(text);
	}
	if (colon[-1] != ']')
		return false;
	colon[-1] = '\0';
	*host = text + 1;
	struct in6_addr v6;
	return inet_pton(AF_INET6, *host, &v6) == 1;
}

static void addr_fini(struct conf_addr *addr)
{
	free(addr->text);
	free(addr->host);
}

/* Takes addr over, also when it fails. */
static int push(struct conf_addr_list *list, struct conf_addr addr)
{
	struct conf_addr *items = NULL;
	if (addr.text != NULL && addr.host != NULL)
		items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (items == NULL) {
		addr_fini(&addr);
		return DHT_ENOMEM;
	}
	items[list->count] = addr;
	list->items = items;
	list->count++;
	return 0;
}

int conf_addr_list_add(struct conf_addr_list *list, struct bytes text)
{
	char buffer[HOST_NAME_BYTES_MAX + sizeof("[]:65535")];
	if (text.len >= sizeof(buffer) || memchr(text.data, '\0', text.len) != NULL)
		return DHT_EINVAL;
	memcpy(buffer, text.data, text.len);
	buffer[text.len] = '\0';

	struct conf_addr addr = {0};
	char *host;
	if (!split(buffer, &host, &addr.port))
		return DHT_EINVAL;
	addr.text = strndup((const char *)text.data, text.len);
	addr.host = strdup(host);
	return push(list, addr);
}

int conf_addr_list_copy(struct conf_addr_list *dst, const struct conf_addr_list *src)
{
	for (size_t i = 0; i < src->count; i++) {
		struct conf_addr addr = {.text = strdup(src->items[i].text),
					 .host = strdup(src->items[i].host),
					 .port = src->items[i].port};
		int rc = push(dst, addr);
		if (rc != 0) {
			conf_addr_list_fini(dst);
			return rc;
		}
	}
	return 0;
}

void conf_addr_list_fini(struct conf_addr_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		addr_fini(&list->items[i]);
	free(list->items);
	*list = (struct conf_addr_list){0};
}
