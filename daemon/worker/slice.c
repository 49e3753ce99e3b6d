/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/slice.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel knows it (sched_setattr(2)); the C library does not yet. */
struct attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns; /* of the ordinary policy: the slice */
	uint64_t deadline_ns;
	uint64_t period_ns;
};
_Static_assert(sizeof(struct attributes) == 48, "the first version of it");

void slice_set(uint64_t slice_ns)
{
	struct attributes attributes = {.size = sizeof(attributes)};
	if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0 ||
	    attributes.policy != SCHED_OTHER)
		return;
	attributes.runtime_ns = slice_ns;
	/* If that is not allowed, others are only served later now and then. */
	(void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}
