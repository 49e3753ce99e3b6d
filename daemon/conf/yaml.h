/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/yaml - reads settings from YAML: a mapping of sections, each a mapping of
 * settings, each a scalar or a list of scalars.
 *
 * Why     The part of YAML that a configuration needs, and no more: anchors, aliases,
 *         tags, further documents and deeper nesting are problems (conf/reader).
 * Thread  the owner of the struct conf.
 * Errors  What is wrong is added to the problems, and the function returns 0 if it could
 *         read on. DHT_ECONF: the text was not read to its end. DHT_ENOMEM.
 */
#ifndef DHT_CONF_YAML_H
#define DHT_CONF_YAML_H

#include "base/assert.h"
#include "base/bytes.h"
#include "conf/conf.h"

/* Applies the settings of text to conf, whose settings came from no file before.
 * file_name is how problems name the text. */
int conf_yaml_read(struct conf *conf, const char *file_name, struct bytes text,
		   struct conf_problems *problems) DHT_MUST_CHECK;

#endif
