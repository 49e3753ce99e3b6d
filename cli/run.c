/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run.h"

#include <string.h>

#include "cli/cmd_help.h"
#include "cli/command.h"
#include "cli/complete.h"
#include "cli/exit.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/print.h"

static int dispatch(const struct cli_options *options)
{
	if (options->wants_help && options->command != NULL) {
		cli_help_print(options->command);
		return CLI_EXIT_OK;
	}
	if (options->wants_help) {
		cli_help_print_general();
		return CLI_EXIT_OK;
	}
	if (options->wants_version)
		return cli_command_version(options);
	if (options->command == NULL)
		return cli_help_no_command();
	return options->command->run(options);
}

static int run_command(int argc, char **argv)
{
	struct cli_options options;
	int code = cli_options_parse(&options, argc, argv);
	if (code != CLI_EXIT_OK)
		return code;
	cli_json_set_form(options.json_form);
	return dispatch(&options);
}

int cli_run(int argc, char **argv)
{
	cli_input_guard_descriptors();
	cli_interrupt_install();
	bool completes = argc > 1 && strcmp(argv[1], CLI_COMPLETE_OPTION) == 0;
	int code = completes ? cli_complete(argc - 2, argv + 2) : run_command(argc, argv);
	int printed = cli_print_close();
	return code != CLI_EXIT_OK ? code : printed;
}
