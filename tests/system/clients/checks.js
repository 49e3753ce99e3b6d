// SPDX-License-Identifier: Apache-2.0
'use strict';

// What the tests of Node.js clients share: options, the list of checks, and a server
// that is restarted by whoever started the script.
//
// usage: node SCRIPT.js --port PORT [--resp 2|3] [--cluster] [--restarts] [--redis]
//   --cluster   the library's cluster client
//   --restarts  restart the server when this prints the line `restart`, then answer with
//               a line on standard input; without it such checks are left out
//   --redis     the server is a redis-server: leave out where dhtd means to differ
//
// The last line is `N passed, N failed`; exits with 1 if anything failed.

const assert = require('node:assert/strict');
const readline = require('node:readline');
const { parseArgs } = require('node:util');

const CHECK_MS = 60000; // for one check, on a loaded machine

const options = parseArgs({
	options: {
		port: { type: 'string' },
		resp: { type: 'string', default: '2' },
		cluster: { type: 'boolean', default: false },
		restarts: { type: 'boolean', default: false },
		redis: { type: 'boolean', default: false },
	},
}).values;
assert(Number(options.port) > 0, 'needs --port PORT');

const checks = [];

// Adds a check. Its key is one of its own; `${key}...` has the same slot.
function check(name, run) {
	checks.push({ name, run, key: `{${name.replaceAll(' ', '-')}-${process.pid}}` });
}

// Adds a check of what dhtd does otherwise than redis on purpose.
function checkDifference(name, run) {
	if (!options.redis) {
		check(name, run);
	}
}

// Adds a check that restarts the server: run(key, restart).
function checkRestart(name, run) {
	if (options.restarts) {
		check(name, (key) => run(key, restart));
	}
}

async function restart() {
	const answer = new Promise((resolve) => lines.once('line', resolve));
	console.log('restart');
	await answer;
}

async function within(promise, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`${what}: not in time`)), CHECK_MS);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

// Calls condition() until its result is true.
async function waitUntil(condition) {
	const end = Date.now() + CHECK_MS / 2;
	while (!(await condition())) {
		assert(Date.now() < end, 'the condition does not become true');
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

function numbers(count) {
	return Array.from({ length: count }, (_, number) => number);
}

function isBetween(low, value, high) {
	assert(low <= value && value <= high, `${value} is not in ${low}..${high}`);
}

let lines;

// Runs all checks between open() and close(), and ends the process.
async function run(open, close) {
	lines = readline.createInterface({ input: process.stdin });
	let passed = 0;
	let failed = 0;
	const attempt = async (name, action) => {
		try {
			await within(action(), name);
			return true;
		} catch (failure) {
			failed++;
			console.log(`FAIL ${name}: ${failure.stack}`);
			return false;
		}
	};
	if (await attempt('open', open)) {
		for (const { name, run: action, key } of checks) {
			passed += await attempt(name, () => action(key));
		}
		await attempt('close', close);
	}
	console.log(`${passed} passed, ${failed} failed`);
	process.exit(failed > 0 ? 1 : 0);
}

module.exports = {
	assert, options, check, checkDifference, checkRestart, waitUntil, numbers, isBetween, run,
};
