/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/conf - the configuration: one schema table (conf/schema.def) gives the
 * struct, the parser, the checks, the defaults and the documentation.
 *
 * Why     A setting is one row. Whatever a person reads or types about it (YAML,
 *         --set, --print-defaults, dhtctl config, docs/settings.md, etc/dhtd.yaml) is made
 *         from that row.
 * Owns    struct conf owns its strings and lists; conf_fini frees them.
 * Thread  A struct conf belongs to one thread; conf_items is constant.
 * Errors  All problems of a source are collected in struct conf_problems, one line
 *         each; functions then return DHT_ECONF. DHT_EIO: the file cannot be read
 *         (a line says why). DHT_ENOMEM: there may be no line that says so.
 */
#ifndef DHT_CONF_CONF_H
#define DHT_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"

enum {
	CONF_FILE_MAX = 1024 * 1024, /* bytes of a configuration file */
	CONF_LIST_MAX = 64,          /* elements of a list setting */
	CONF_PROBLEMS_MAX = 100,     /* further ones are counted, not kept */
};

#define CONF_DEFAULT_FILE "/etc/dhtd/dhtd.yaml"

/* Units of the schema's bounds: bytes (or bytes a second), and milliseconds. */
#define CONF_KIB  (UINT64_C(1) << 10)
#define CONF_MIB  (UINT64_C(1) << 20)
#define CONF_GIB  (UINT64_C(1) << 30)
#define CONF_TIB  (UINT64_C(1) << 40)
#define CONF_HOUR (UINT64_C(60) * 60 * 1000)

/* `host:port` or `[v6]:port`, checked; text is as it was written. */
struct conf_addr {
	char *text;
	char *host; /* without brackets */
	uint16_t port;
};

struct conf_addr_list {
	struct conf_addr *items;
	size_t count;
};

enum conf_type {
	CONF_TYPE_NAME,       /* letters, digits, dot, underscore, hyphen */
	CONF_TYPE_PATH,       /* absolute */
	CONF_TYPE_ADDRESSES,  /* in YAML a scalar or a list, in --set separated by commas */
	CONF_TYPE_COUNT,      /* a decimal number */
	CONF_TYPE_AUTO_COUNT, /* a number, or auto, which is 0 */
	CONF_TYPE_POWER_OF_TWO,
	CONF_TYPE_SIZE,      /* bytes: a number, or one with B, KiB, MiB or GiB */
	CONF_TYPE_AUTO_SIZE, /* a size, or auto, which is 0 */
	CONF_TYPE_RATE,      /* bytes a second, as a size is written */
	CONF_TYPE_DURATION,  /* milliseconds: a number with ms, s, min or h, or 0 */
	CONF_TYPE_LOG_LEVEL,
	CONF_TYPE_FSYNC,    /* always, interval or never */
	CONF_TYPE_REDIRECT, /* proxy or moved */
};

/* store.fsync: what is durable when a write is acknowledged. */
enum conf_fsync {
	CONF_FSYNC_ALWAYS,   /* the write */
	CONF_FSYNC_INTERVAL, /* what was written a second ago */
	CONF_FSYNC_NEVER,    /* what the kernel has written back */
};
enum { CONF_FSYNC_COUNT = CONF_FSYNC_NEVER + 1 };

/* clients.redirect: what a node does with a request for a key that it has no replica of. */
enum conf_redirect {
	CONF_REDIRECT_PROXY, /* it has another node answer it */
	CONF_REDIRECT_MOVED, /* it tells the client who does */
};
enum { CONF_REDIRECT_COUNT = CONF_REDIRECT_MOVED + 1 };

/* The C type of each type's field. */
#define CONF_FIELD_NAME         char *
#define CONF_FIELD_PATH         char *
#define CONF_FIELD_ADDRESSES    struct conf_addr_list
#define CONF_FIELD_COUNT        uint64_t
#define CONF_FIELD_AUTO_COUNT   uint64_t
#define CONF_FIELD_POWER_OF_TWO uint64_t
#define CONF_FIELD_SIZE         uint64_t
#define CONF_FIELD_AUTO_SIZE    uint64_t
#define CONF_FIELD_RATE         uint64_t
#define CONF_FIELD_DURATION     uint64_t
#define CONF_FIELD_LOG_LEVEL    enum log_level
#define CONF_FIELD_FSYNC        enum conf_fsync
#define CONF_FIELD_REDIRECT     enum conf_redirect

/* CONF_node_name ... CONF_log_level: the number of each setting. */
enum conf_id {
#define CONF_SETTING(type, section, name, ...) CONF_##section##_##name,
#include "conf/schema.def"
	CONF_ITEM_COUNT
};

enum conf_change {
	CONF_RESTART, /* a new value applies from the next start on */
	CONF_RELOAD,  /* conf_reload takes a new value over */
};

/* Where a load found a value, for the messages of that load. */
struct conf_origin {
	enum {
		CONF_FROM_DEFAULT,
		CONF_FROM_FILE,
		CONF_FROM_SET,
		CONF_FROM_REJECTED, /* the last one that was given is wrong and not in force */
	} from;
	size_t line, column; /* of a value in a file, from 1 on */
};

/* One field a row of the schema, for example `uint64_t workers_park_after_ms;`. */
struct conf {
#define CONF_SETTING(type, section, name, field, ...) CONF_FIELD_##type field;
#include "conf/schema.def"
	struct conf_origin origins[CONF_ITEM_COUNT];
	char *file_name; /* as messages name it; NULL: no file was loaded */
};

/* A row of the schema. */
struct conf_item {
	enum conf_id id;
	enum conf_type type;
	enum conf_change change;
	const char *key; /* section.name */
	const char *section;
	const char *name;
	size_t offset;            /* of the field in struct conf */
	const char *default_text; /* NULL: given to conf_init_defaults */
	const char *default_words;
	uint64_t min, max;
	const char *doc;
};

extern const struct conf_item conf_items[CONF_ITEM_COUNT];

struct conf_problems {
	char
	    *lines[CONF_PROBLEMS_MAX]; /* `FILE:LINE:COL: key: message`, or `--set: key: message` */
	size_t count;                  /* of lines */
	size_t total;                  /* problems found, also those that are not kept */
};

#define CONF_PROBLEMS_NONE ((struct conf_problems){0})

/* Returns the word for a mode of store.fsync. */
const char *conf_fsync_name(enum conf_fsync fsync);

/* Returns the word for a mode of clients.redirect. */
const char *conf_redirect_name(enum conf_redirect redirect);

/* Gives every setting its default. host_name becomes node.name; one that is no valid
 * name is reported by a later load, unless that sets node.name. Returns DHT_ENOMEM
 * with an empty conf, on which only conf_fini may be called. */
int conf_init_defaults(struct conf *conf, const char *host_name) DHT_MUST_CHECK;

/* Frees what conf owns; harmless when called again. */
void conf_fini(struct conf *conf);

/* Makes dst, which is not initialised yet, a copy of src. Returns DHT_ENOMEM with an
 * empty dst. */
int conf_clone(struct conf *dst, const struct conf *src) DHT_MUST_CHECK;

/* Applies the YAML file at path (NULL: none), then the overrides in order, each
 * `key=value` with the elements of a list separated by commas (the last one of a key
 * wins), then checks the settings against each other. conf holds its defaults when it
 * is called; after an error it holds some mixture of old and new values. Returns
 * DHT_EIO, DHT_ENOMEM, or DHT_ECONF for anything that is wrong in the sources. */
int conf_load_file(struct conf *conf, const char *path, const char *const *sets, size_t set_count,
		   struct conf_problems *problems) DHT_MUST_CHECK;

/* The same for the content of a file that the caller has read; name stands for it in
 * messages. At most CONF_FILE_MAX bytes, more are a problem too. */
int conf_load_text(struct conf *conf, const char *name, const void *text, size_t len,
		   struct conf_problems *problems) DHT_MUST_CHECK;

/* Writes one line per problem, and how many more there are. */
void conf_problems_print(const struct conf_problems *problems, FILE *out);

/* Frees the lines; problems is empty again. */
void conf_problems_fini(struct conf_problems *problems);

/* Returns the value in force as a person would write it in --set, or, for an empty
 * list, what that means. The caller frees it. NULL: no memory. */
char *conf_item_value(const struct conf *conf, const struct conf_item *item) DHT_MUST_CHECK;

/* Returns the default as it would be written, or in words where that says more. */
const char *conf_item_default(const struct conf_item *item);

/* Receives a setting whose value differs, with both values as conf_item_value gives
 * them. item->change says whether it was taken over or waits for a restart. */
typedef void (*conf_changed_fn)(const struct conf_item *item, const char *before, const char *after,
				void *ctx);

/* Takes the reloadable settings of fresh, which was loaded from the same file and
 * overrides, over into running. Calls changed for every setting that differs, taken
 * over or not, in the order of the schema. Stops with DHT_ENOMEM at a setting that it
 * could not take over; those before it, which changed was called for, are in force. */
int conf_reload(struct conf *running, const struct conf *fresh, conf_changed_fn changed,
		void *ctx) DHT_MUST_CHECK;

/* Writes a commented YAML file with every setting at its default: etc/dhtd.yaml. */
void conf_print_defaults(FILE *out);

/* Writes the table of settings of docs/settings.md. */
void conf_print_markdown_table(FILE *out);

#endif
