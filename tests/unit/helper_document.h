/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_document - compares what is made from a table of the program with the documents
 * of the source tree that hold copies of it.
 *
 * Errors  fail the test.
 */
#ifndef DHT_TESTS_HELPER_DOCUMENT_H
#define DHT_TESTS_HELPER_DOCUMENT_H

#include <stdio.h>

/* Returns what print writes, for the caller to free. */
char *helper_document_printed(void (*print)(FILE *out));

/* Returns the content of a file of the source tree, for the caller to free. */
char *helper_document_read(const char *file);

/* What stands in the file between the lines <!-- section --> and <!-- /section --> has to be
 * what print writes. A failure shows what that is. */
void helper_document_check(const char *file, const char *section, void (*print)(FILE *out));

#endif
