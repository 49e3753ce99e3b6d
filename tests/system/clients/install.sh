#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Node.js clients of package-lock.json beside it, from npm's cache as far
# as they are there. Does nothing when what is installed came from the same lock file.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

# What npm was last told to install; written when it has done so. `npm ci` removes it
# first, with everything else in that folder.
stamp=node_modules/.dhtd-installed

if cmp --quiet package-lock.json "$stamp"; then
	echo "install.sh: the clients are installed"
	exit 0
fi
npm ci
cp package-lock.json "$stamp"
