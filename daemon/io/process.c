/* SPDX-License-Identifier: Apache-2.0 */
#include "io/process.h"

#include <stdio.h>
#include <unistd.h>

uint64_t process_resident_bytes(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
