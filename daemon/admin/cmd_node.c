/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about the node: status, queues, log-level, config.
 */
#include "admin/command.h"

#include <stdio.h>

#include "base/error.h"
#include "base/log.h"

int admin_run_status(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->status(view->ctx, call->out, call->request.call_id);
}

int admin_run_queues(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->queues(view->ctx, call->out, call->request.call_id);
}

int admin_run_log_level(struct admin_call *call)
{
	enum log_level before = log_get_level(), level = before;
	const char *wanted = call->request.level;
	if (wanted[0] != '\0') {
		if (!log_level_parse(wanted, &level)) {
			snprintf(call->why, sizeof(call->why),
				 "%.32s is no log level: error, warn, info or debug", wanted);
			return DHT_EINVAL;
		}
		log_set_level(level);
		LOG_INFO("admin", "msg=\"log level set\" level=%s before=%s", wanted,
			 log_level_name(before));
	}
	return wire_admin_log_level(call->out, call->request.call_id, log_level_name(level),
				    log_level_name(before));
}

int admin_run_config(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	const struct admin_request *r = &call->request;
	if (!r->config.check)
		return view->settings(view->ctx, call->out, r->call_id);
	return view->check(view->ctx, call->out, r->call_id, r->config.file_name,
			   r->config.content);
}
