/* SPDX-License-Identifier: Apache-2.0 */
#include "server/episode.h"

bool episode_note(struct episode *e, uint64_t refused, uint64_t now_ns)
{
	bool begins = !e->is_open;
	if (begins)
		*e = (struct episode){.is_open = true};
	e->met_ns = now_ns;
	e->refused += refused;
	return begins;
}

bool episode_close(struct episode *e, uint64_t now_ns)
{
	if (!e->is_open || now_ns - e->met_ns < EPISODE_QUIET_NS)
		return false;
	e->is_open = false;
	return true;
}
