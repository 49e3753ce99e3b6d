/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/check - what a row of the schema cannot say: settings against each other.
 *
 * Why     Runs when the file and all overrides are applied, so that it sees what would
 *         be in force, and blames a place that the operator wrote.
 * Thread  the owner of the struct conf.
 * Errors  What is wrong is added to the problems; the function returns 0 then too.
 *         DHT_ENOMEM.
 */
#ifndef DHT_CONF_CHECK_H
#define DHT_CONF_CHECK_H

#include "base/assert.h"
#include "conf/conf.h"

/* Settings whose last value was rejected are left out: they have their problem already. */
int conf_check(struct conf *conf, struct conf_problems *problems) DHT_MUST_CHECK;

#endif
