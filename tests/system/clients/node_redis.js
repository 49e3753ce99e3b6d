// SPDX-License-Identifier: Apache-2.0
'use strict';

// node-redis (RESP2, or RESP3 with --resp 3): plain, or with --cluster its cluster
// client. See checks.js for the options.

const {
	createClient, createClientPool, createCluster, WatchError, RESP_TYPES,
} = require('redis');
const {
	assert, options, check, checkDifference, checkRestart, waitUntil, numbers, isBetween, run,
} = require('./checks.js');

const socket = { host: '127.0.0.1', port: Number(options.port) };
const RESP = Number(options.resp);
let client;

function listening(made) {
	return made.on('error', () => {}); // told to whoever waits for a reply
}

function connect(more = {}) {
	return listening(createClient({ socket, RESP, ...more })).connect();
}

function connectCluster(more = {}) {
	return listening(createCluster({ rootNodes: [{ socket }], defaults: { RESP }, RESP, ...more }))
		.connect();
}

// The client of the one node.
function connection() {
	return options.cluster ? client.nodeClient(client.masters[0]) : client;
}

// Runs an action with a client of its own.
async function withClient(made, action) {
	const other = await made;
	try {
		return await action(other);
	} finally {
		other.destroy();
	}
}

async function scan(more) {
	const found = new Set();
	for await (const keys of (await connection()).scanIterator(more)) {
		keys.forEach((key) => found.add(key));
	}
	return found;
}

async function open() {
	client = await (options.cluster ? connectCluster() : connect());
}

check('set and its options', async (key) => {
	assert.equal(await client.set(key, '1'), 'OK');
	assert.equal(await client.set(key, '2', { condition: 'NX' }), null);
	assert.equal(await client.set(key, '2',
		{ condition: 'XX', expiration: { type: 'EX', value: 100 } }), 'OK');
	isBetween(99, await client.ttl(key), 100);
	assert.equal(await client.set(key, '3', { expiration: 'KEEPTTL' }), 'OK');
	isBetween(99000, await client.pTTL(key), 100000);
	assert.equal(await client.set(key, '4', { GET: true }), '3');
	assert.equal(await client.ttl(key), -1);
	assert.equal(await client.get(key), '4');
	assert.equal(await client.get(`${key}2`), null);
});

check('other ways to read and write', async (key) => {
	assert.equal(await client.setNX(key, 'a'), 1);
	assert.equal(await client.setEx(key, 100, 'b'), 'OK');
	assert.equal(await client.getSet(key, 'c'), 'b');
	assert.equal(await client.append(key, 'de'), 3);
	assert.equal(await client.strLen(key), 3);
	assert.equal(await client.getEx(key, { type: 'PX', value: 100000 }), 'cde');
	isBetween(99, await client.ttl(key), 100);
	assert.equal(await client.type(key), 'string');
	assert.equal(await client.getDel(key), 'cde');
	assert.equal(await client.exists(key), 0);
});

check('numbers', async (key) => {
	assert.equal(await client.incr(key), 1);
	assert.equal(await client.incrBy(key, 41), 42);
	assert.equal(await client.decr(key), 41);
	assert.equal(await client.incrByFloat(key, 0.5), '41.5');
	await assert.rejects(client.incr(key), {
		message: 'ERR value is not an integer or out of range',
	});
});

check('several keys of one slot', async (key) => {
	const names = numbers(10).map((number) => `${key}${number}`);
	assert.equal(await client.mSet(names.map((name) => [name, name])), 'OK');
	assert.deepEqual(await client.mGet([...names, key]), [...names, null]);
	assert.equal(await client.exists(names), 10);
	assert.equal(await client.del(names.slice(5)), 5);
	assert.equal(await client.unlink(names), 5);
});

check('any bytes', async (key) => {
	const value = Buffer.from(numbers(1 << 20).map((number) => number & 255));
	const name = Buffer.concat([Buffer.from(key), value.subarray(0, 256)]);
	const asBytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
	assert.equal((await asBytes.set(name, value)).toString(), 'OK');
	assert((await asBytes.get(name)).equals(value));
	assert.equal(await client.set(key, ''), 'OK');
	assert.equal(await client.get(key), '');
});

check('expiry', async (key) => {
	assert.equal(await client.ttl(key), -2);
	await client.set(key, 'v');
	assert.equal(await client.expire(key, 100, 'XX'), 0);
	assert.equal(await client.expire(key, 100, 'NX'), 1);
	assert.equal(await client.persist(key), 1);
	assert.equal(await client.pExpire(key, 50), 1);
	await waitUntil(async () => (await client.get(key)) === null);
	assert.equal(await client.exists(key), 0);
});

// All that is asked for in one turn of the event loop leaves in one piece.
check('automatic pipelines', async (key) => {
	const names = numbers(500).map((number) => `${key}${number}`);
	await Promise.all(names.map((name) => client.set(name, name)));
	assert.deepEqual(await Promise.all(names.map((name) => client.get(name))), names);
	assert.deepEqual(
		await client.multi().set(key, '1').incr(key).get(key).execAsPipeline(), ['OK', 2, '2']);
});

check('transaction on one key', async (key) => {
	assert.deepEqual(await client.multi().set(key, '1').incr(key).get(key).exec(), ['OK', 2, '2']);
	await assert.rejects(client.multi().set(key, 'no').incr(key).strLen(key).exec(), (failure) => {
		assert.deepEqual(failure.errorIndexes, [1]);
		assert.match(failure.replies[1].message, /not an integer/);
		assert.equal(failure.replies[2], 2);
		return true;
	});
	assert.equal(await client.get(key), 'no');
});

checkDifference('transaction on two keys', async (key) => {
	await client.set(key, '1');
	await assert.rejects(client.multi().incr(key).incr(`${key}2`).exec(), /EXECABORT .*pipeline/);
	assert.equal(await client.get(key), '1');
	assert.equal(await client.exists(`${key}2`), 0);
});

check('watch', (key) => withClient(connect(), async (other) => {
	await client.set(key, '1');
	await other.watch(key);
	await client.set(key, '2');
	await assert.rejects(other.multi().set(key, 'lost').exec(), WatchError);
	await other.watch(key);
	assert.deepEqual(await other.multi().append(key, '3').exec(), [2]);
	assert.equal(await client.get(key), '23');
}));

check('transactions that race', async (key) => {
	const pool = await listening(createClientPool({ socket, RESP }, { minimum: 4, maximum: 4 }))
		.connect();
	const increment = async (other) => {
		for (;;) {
			await other.watch(key);
			const value = Number(await other.get(key));
			try {
				return await other.multi().set(key, value + 1).exec();
			} catch (failure) {
				assert(failure instanceof WatchError, failure);
			}
		}
	};
	await Promise.all(numbers(40).map(() => pool.execute(increment)));
	assert.equal(await client.get(key), '40');
	await pool.close();
});

check('scan', async (key) => {
	const names = numbers(300).map((number) => `${key}${number}`);
	await Promise.all(names.map((name) => client.set(name, 'v')));
	assert.deepEqual(await scan({ MATCH: `${key}*` }), new Set(names));
	assert.deepEqual(await scan({ MATCH: `${key}*`, COUNT: 100, TYPE: 'string' }), new Set(names));
	assert.deepEqual(await scan({ MATCH: `${key}*`, TYPE: 'list' }), new Set());
	assert(await (await connection()).dbSize() >= 300);
});

check('commands of client and server', async (key) => {
	const node = await connection();
	assert.match(await node.info(), /^redis_mode:cluster\r$/m);
	assert.match(await node.info('server'), /^# Server\r\nredis_version:/);
	assert.deepEqual(Object.keys(await node.configGet('appendonly')), ['appendonly']);
	assert.equal(await node.clientSetName('node'), 'OK');
	assert.equal(await node.clientGetName(), 'node');
	const id = await node.clientId();
	const self = await node.clientInfo();
	assert.deepEqual([self.id, self.name, self.resp ?? RESP], [id, 'node', RESP]);
	assert((await node.clientList()).some((other) => other.id === id && other.name === 'node'));
	assert.equal((await node.role()).role, 'master');
	assert(Math.abs((await node.time())[0] - Date.now() / 1000) < 30);
	assert(await node.commandCount() > 50);
	const get = (await node.command()).find(({ name }) => name === 'get');
	assert.deepEqual([get.arity, get.firstKeyIndex, get.lastKeyIndex, get.step], [2, 1, 1, 1]);
	assert(get.flags.has('readonly'));
	assert.deepEqual(await node.commandGetKeys(['GET', 'k']), ['k']);
	assert.equal(await node.sendCommand(['SLOWLOG', 'RESET']), 'OK');
	assert(Array.isArray(await node.sendCommand(['SLOWLOG', 'GET'])));
	assert(Array.isArray(await node.latencyLatest()));
	await client.set(key, 'v');
	assert((await node.latencyHistogram('set')).set.calls >= 1);
	assert(await node.memoryUsage(key) > 0);
	assert.equal(await node.objectEncoding(key), 'embstr');
	assert.equal(await node.echo('e'), 'e');
	assert.equal(await node.ping('p'), 'p');
});

check('hello', async () => {
	const reply = await (await connection()).hello();
	assert.deepEqual([reply.server, reply.proto, reply.mode, reply.role, reply.modules],
		['redis', RESP, 'cluster', 'master', []]);
	assert.match(reply.version, /^\d+\.\d+\.\d+$/);
});

checkDifference('what it is called', async () => {
	assert.match(await (await connection()).sendCommand(['CLIENT', 'INFO']),
		/ lib-name=node-redis.* lib-ver=\d/);
});

checkDifference('what is refused says why', async (key) => {
	await assert.rejects(client.lPush(key, 'v'), /^Error: ERR .{20}/);
	await assert.rejects(client.hSet(key, 'f', 'v'), /^Error: ERR .{20}/);
	await assert.rejects(client.eval('return 1', { keys: [key] }), /^Error: ERR .{20}/);
	assert.equal(await client.set(key, 'v'), 'OK');
});

if (options.cluster) {
	check('slots of all keys', async (key) => {
		const names = numbers(200).map((number) => `${number}${key.slice(1, -1)}`);
		await Promise.all(names.map((name) => client.set(name, name)));
		assert.deepEqual(await Promise.all(names.map((name) => client.get(name))), names);
		assert.deepEqual(await Promise.all(names.map((name) => client.del(name))),
			names.map(() => 1));
	});

	check('what the cluster says of itself', async (key) => {
		assert.equal(client.masters.length, 1);
		assert.equal(client.masters[0].address, `${socket.host}:${socket.port}`);
		assert.equal(client.replicas.length, 0);
		assert(client.slots.length === 16384 && client.slots.every(({ master }) => master));
		const node = await connection();
		assert.match(await node.clusterInfo(), /^cluster_state:ok\r$/m);
		assert.match(await node.clusterNodes(), /^[0-9a-f]{40} 127\..* myself,master - .*0-16383\n$/);
		assert.equal((await node.clusterMyId()).length, 40);
		assert.equal((await node.clusterSlots())[0].master.id, await node.clusterMyId());
		const slot = await node.clusterKeySlot(key);
		await client.set(key, 'v');
		assert.equal(await node.clusterCountKeysInSlot(slot), 1);
		assert.deepEqual(await node.clusterGetKeysInSlot(slot, 10), [key]);
	});

	check('reads from replicas', (key) => withClient(
		connectCluster({ useReplicas: true }), async (other) => {
			assert.equal(await other.set(key, 'v'), 'OK');
			assert.equal(await other.get(key), 'v');
		}));
} else {
	check('name and database of the options', () => withClient(
		connect({ name: 'named', database: 0 }), async (other) => {
			assert.equal(await other.clientGetName(), 'named');
		}));

	check('killed connections come back', (key) => withClient(connect(), async (other) => {
		const id = await other.clientId();
		const back = new Promise((resolve) => other.once('ready', resolve));
		assert.equal(await client.clientKill({ filter: 'ID', id }), 1);
		await back;
		assert.notEqual(await other.clientId(), id);
		assert.equal(await other.set(key, 'v'), 'OK');
	}));
}

checkRestart('a restart of the server', async (key, restart) => {
	await client.set(key, 'kept');
	await restart();
	// Asked while it may still be connecting: the request waits for that.
	assert.equal(await client.get(key), 'kept');
	assert.equal(await client.append(key, '!'), 5);
});

run(open, () => client.close());
