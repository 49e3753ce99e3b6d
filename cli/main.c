/* SPDX-License-Identifier: Apache-2.0
 *
 * dhtctl - operates a dhtd node through its admin socket.
 */
#include "cli/run.h"

int main(int argc, char **argv)
{
	return cli_run(argc, argv);
}
