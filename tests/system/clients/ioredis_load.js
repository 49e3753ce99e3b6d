// SPDX-License-Identifier: Apache-2.0
'use strict';

// ioredis as a cluster client that writes and reads back until a line comes on its input, then says
// how often, and what went wrong:
//
//     ioredis_load.js --port PORT

const { parseArgs } = require('node:util');
const Redis = require('ioredis');

const { values: options } = parseArgs({ options: { port: { type: 'string' } } });
const STREAMS = 8;
const result = { rounds: 0, errors: [] };
let goesOn = true;

const client = new Redis.Cluster([{ host: '127.0.0.1', port: Number(options.port) }], {
	slotsRefreshInterval: 1000,
});
client.on('error', () => {}); // told to whoever waits for a reply

async function load(stream) {
	for (let i = 0; goesOn; i++) {
		const key = `io:${stream}:${i % 500}`;
		const value = `${i}`;
		try {
			await client.set(key, value);
			const got = await client.get(key);
			if (got !== value) {
				result.errors.push(`${key} is ${got} and not ${value}`);
			}
			// Not as a pipeline of the library: one that has begun does not follow MOVED.
			await Promise.all([client.incr(`{${key}}n`), client.append(`{${key}}a`, 'x')]);
			result.rounds++;
		} catch (error) {
			result.errors.push(`${key}: ${error}`);
		}
	}
}

async function main() {
	await new Promise((resolve) => client.once('ready', resolve));
	process.stdout.write('ready\n');
	process.stdin.once('data', () => { goesOn = false; });
	await Promise.all([...Array(STREAMS).keys()].map(load));
	process.stdout.write(`${JSON.stringify(result)}\n`);
	client.disconnect();
	process.exit(0);
}

main();
