/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/job - looks after a change of the members that was asked for.
 *
 * Why     A change takes as long as data is moved. It is the cluster's, and goes on if nobody
 *         looks: what is waited for can be interrupted.
 * Thread  the main thread.
 * Errors  reported on standard error; the functions return the exit code.
 */
#ifndef DHT_CLI_JOB_H
#define DHT_CLI_JOB_H

#include "admin.pb-c.h"
#include "cli/options.h"

enum { CLI_JOB_RATE_MAX = 128 };

/* Writes how much a job has moved, and is about to: "1.5 GiB of about 3.0 GiB, 96 MiB/s, 15s left".
 * Returns out. */
const char *cli_job_rate(const Dhtd__Admin__Job *job, char out[CLI_JOB_RATE_MAX]);

/* Waits, unless --no-wait was given, until a job that has begun is over. What is printed is as of
 * cli_job_follow. */
int cli_job_await(const struct cli_options *options, uint64_t job) DHT_MUST_CHECK;

/* Waits until the change behind the ticket has begun or was refused, and, unless --no-wait was
 * given, until it is over. What is printed: nothing, the job's number with --no-wait, an object
 * with JSON output. */
int cli_job_follow(const struct cli_options *options, uint64_t ticket) DHT_MUST_CHECK;

#endif
