/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands about the members: join, leave, remove, replace, node, plan, job, ok-to-stop, locate,
 * recover, verify.
 */
#include "admin/command.h"

static int change(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	const struct admin_request *r = &call->request;
	return view->change(view->ctx, call->out, r->call_id, r->command, &r->change, call->why);
}

int admin_run_join(struct admin_call *call)
{
	return change(call);
}

int admin_run_leave(struct admin_call *call)
{
	return change(call);
}

int admin_run_remove(struct admin_call *call)
{
	return change(call);
}

int admin_run_replace(struct admin_call *call)
{
	return change(call);
}

int admin_run_node(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	const struct admin_request *r = &call->request;
	if (r->change.zone[0] != '\0' || r->change.weight != 0)
		return change(call);
	return view->nodes(view->ctx, call->out, r->call_id, &r->change, call->why);
}

int admin_run_plan(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->plan(view->ctx, call->out, call->request.call_id, &call->request.change,
			  call->why);
}

int admin_run_job(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->job(view->ctx, call->out, call->request.call_id, &call->request.change,
			 call->why);
}

int admin_run_ok_to_stop(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->ok_to_stop(view->ctx, call->out, call->request.call_id, &call->request.change,
				call->why);
}

int admin_run_locate(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	struct whereabouts **at = &admin_session_of(call->session)->whereabouts;
	int rc = whereabouts_run(call->worker, call->session, at, call->request.located);
	if (rc != 0)
		return rc;
	rc = view->place(view->ctx, call->out, call->request.call_id, *at);
	whereabouts_destroy(*at);
	*at = NULL;
	return rc;
}

int admin_run_recover(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->recover(view->ctx, call->out, call->request.call_id, &call->request.recovery,
			     call->why);
}

int admin_run_verify(struct admin_call *call)
{
	const struct admin_view *view = &call->admin->view;
	return view->verify(view->ctx, call->out, call->request.call_id, call->request.begins);
}
