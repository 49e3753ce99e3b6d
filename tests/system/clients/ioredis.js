// SPDX-License-Identifier: Apache-2.0
'use strict';

// ioredis (RESP2): plain, or with --cluster its Cluster. See checks.js for the options.

const Redis = require('ioredis');
const {
	assert, options, check, checkDifference, checkRestart, waitUntil, numbers, isBetween, run,
} = require('./checks.js');

const address = { host: '127.0.0.1', port: Number(options.port) };
let client;

function connect(more = {}) {
	const made = options.cluster
		? new Redis.Cluster([address], more)
		: new Redis({ ...address, ...more });
	made.on('error', () => {}); // told to whoever waits for a reply
	return made;
}

// The connection to the one node.
function connection() {
	return options.cluster ? client.nodes('master')[0] : client;
}

// Runs an action with a client of its own.
async function withClient(more, action) {
	const other = connect(more);
	try {
		return await action(other);
	} finally {
		other.disconnect();
	}
}

async function scan(pattern, more = {}) {
	const found = new Set();
	for await (const keys of connection().scanStream({ match: pattern, ...more })) {
		keys.forEach((key) => found.add(key));
	}
	return found;
}

async function open() {
	client = connect();
	await new Promise((resolve) => client.once('ready', resolve));
}

check('set and its options', async (key) => {
	assert.equal(await client.set(key, '1'), 'OK');
	assert.equal(await client.set(key, '2', 'NX'), null);
	assert.equal(await client.set(key, '2', 'EX', 100, 'XX'), 'OK');
	isBetween(99, await client.ttl(key), 100);
	assert.equal(await client.set(key, '3', 'KEEPTTL'), 'OK');
	isBetween(99000, await client.pttl(key), 100000);
	assert.equal(await client.set(key, '4', 'GET'), '3');
	assert.equal(await client.ttl(key), -1);
	assert.equal(await client.get(key), '4');
	assert.equal(await client.get(`${key}2`), null);
});

check('other ways to read and write', async (key) => {
	assert.equal(await client.setnx(key, 'a'), 1);
	assert.equal(await client.setex(key, 100, 'b'), 'OK');
	assert.equal(await client.getset(key, 'c'), 'b');
	assert.equal(await client.append(key, 'de'), 3);
	assert.equal(await client.strlen(key), 3);
	assert.equal(await client.getex(key, 'PX', 100000), 'cde');
	isBetween(99, await client.ttl(key), 100);
	assert.equal(await client.type(key), 'string');
	assert.equal(await client.getdel(key), 'cde');
	assert.equal(await client.exists(key), 0);
});

check('numbers', async (key) => {
	assert.equal(await client.incr(key), 1);
	assert.equal(await client.incrby(key, 41), 42);
	assert.equal(await client.decr(key), 41);
	assert.equal(await client.incrbyfloat(key, 0.5), '41.5');
	await assert.rejects(client.incr(key), {
		name: 'ReplyError', message: 'ERR value is not an integer or out of range',
	});
});

check('several keys of one slot', async (key) => {
	const names = numbers(10).map((number) => `${key}${number}`);
	assert.equal(await client.mset(new Map(names.map((name) => [name, name]))), 'OK');
	assert.deepEqual(await client.mget(...names, key), [...names, null]);
	assert.equal(await client.exists(...names), 10);
	assert.equal(await client.del(...names.slice(5)), 5);
	assert.equal(await client.unlink(...names), 5);
});

check('any bytes', async (key) => {
	const value = Buffer.from(numbers(1 << 20).map((number) => number & 255));
	const name = Buffer.concat([Buffer.from(key), value.subarray(0, 256)]);
	assert.equal(await client.set(name, value), 'OK');
	assert((await client.getBuffer(name)).equals(value));
	assert.equal(await client.set(key, ''), 'OK');
	assert.equal(await client.get(key), '');
});

check('expiry', async (key) => {
	assert.equal(await client.ttl(key), -2);
	await client.set(key, 'v');
	assert.equal(await client.expire(key, 100, 'XX'), 0);
	assert.equal(await client.expire(key, 100, 'NX'), 1);
	assert.equal(await client.persist(key), 1);
	assert.equal(await client.pexpire(key, 50), 1);
	await waitUntil(async () => (await client.get(key)) === null);
	assert.equal(await client.exists(key), 0);
});

check('pipeline', async (key) => {
	const pipeline = client.pipeline();
	numbers(500).forEach((number) => pipeline.set(key, number).get(key));
	assert.deepEqual(await pipeline.exec(),
		numbers(500).flatMap((number) => [[null, 'OK'], [null, String(number)]]));
	const replies = await client.pipeline().append(key, 'x').incr(key).exec();
	assert.match(replies[1][0].message, /^ERR value is not an integer/);
});

check('automatic pipelines', (key) => withClient({ enableAutoPipelining: true }, async (other) => {
	const names = numbers(500).map((number) => `${key}${number}`);
	await Promise.all(names.map((name) => other.set(name, name)));
	assert.deepEqual(await Promise.all(names.map((name) => other.get(name))), names);
}));

check('transaction on one key', async (key) => {
	assert.deepEqual(await client.multi().set(key, '1').incr(key).get(key).exec(),
		[[null, 'OK'], [null, 2], [null, '2']]);
	const replies = await client.multi().set(key, 'no').incr(key).strlen(key).exec();
	assert.match(replies[1][0].message, /not an integer/);
	assert.deepEqual(replies[2], [null, 2]);
	await assert.rejects(client.multi().set(key, 'changed').call('GET', key, 'more').exec(),
		/^ReplyError: EXECABORT Transaction discarded because of previous errors\.$/);
	assert.equal(await client.get(key), 'no');
});

checkDifference('transaction on two keys', async (key) => {
	await client.set(key, '1');
	await assert.rejects(client.multi().incr(key).incr(`${key}2`).exec(), /EXECABORT .*pipeline/);
	assert.equal(await client.get(key), '1');
	assert.equal(await client.exists(`${key}2`), 0);
});

check('watch', (key) => withClient({}, async (other) => {
	await client.set(key, '1');
	await client.watch(key);
	await other.set(key, '2');
	assert.equal(await client.multi().set(key, 'lost').exec(), null);
	await client.watch(key);
	assert.deepEqual(await client.multi().append(key, '3').exec(), [[null, 2]]);
	assert.equal(await client.get(key), '23');
}));

check('scan', async (key) => {
	const names = numbers(300).map((number) => `${key}${number}`);
	await Promise.all(names.map((name) => client.set(name, 'v')));
	assert.deepEqual(await scan(`${key}*`), new Set(names));
	assert.deepEqual(await scan(`${key}*`, { count: 100, type: 'string' }), new Set(names));
	assert.deepEqual(await scan(`${key}*`, { type: 'list' }), new Set());
	assert(await connection().dbsize() >= 300);
});

check('commands of client and server', async (key) => {
	const node = connection();
	assert.match(await node.info(), /^redis_mode:cluster\r$/m);
	assert.match(await node.info('server'), /^# Server\r\nredis_version:/);
	assert.equal((await node.config('GET', 'appendonly'))[0], 'appendonly');
	assert.equal(await node.client('SETNAME', 'io'), 'OK');
	assert.equal(await node.client('GETNAME'), 'io');
	assert.match(await node.client('LIST'), /^id=\d+ addr=127\.0\.0\.1:\d+ .* name=io /m);
	assert(await node.client('ID') > 0);
	assert.equal((await node.role())[0], 'master');
	assert.equal((await node.time()).length, 2);
	assert(await node.command('COUNT') > 50);
	assert.deepEqual(await node.command('GETKEYS', 'GET', 'k'), ['k']);
	assert.equal(await node.slowlog('RESET'), 'OK');
	assert(Array.isArray(await node.slowlog('GET')));
	await client.set(key, 'v');
	assert(await client.memory('USAGE', key) > 0);
	assert.equal(await client.object('ENCODING', key), 'embstr');
	assert.equal(await node.echo('e'), 'e');
	assert.equal(await node.ping('p'), 'p');
});

checkDifference('what it is called', async () => {
	assert.match(await connection().client('INFO'), / lib-name=ioredis.* lib-ver=\d/);
});

checkDifference('what is refused says why', async (key) => {
	for (const command of [['lpush', key, 'v'], ['hset', key, 'f', 'v'],
		['eval', 'return 1', 1, key], ['zadd', key, 1, 'm']]) {
		await assert.rejects(client.call(...command), /^ReplyError: ERR .{20}/);
	}
	await assert.rejects(connection().subscribe('channel'), /^ReplyError: ERR .{20}/);
	assert.equal(await client.set(key, 'v'), 'OK');
});

if (options.cluster) {
	check('slots of all keys', async (key) => {
		const names = numbers(200).map((number) => `${number}${key.slice(1, -1)}`);
		await Promise.all(names.map((name) => client.set(name, name)));
		assert.deepEqual(await Promise.all(names.map((name) => client.get(name))), names);
		const pipeline = client.pipeline();
		names.forEach((name) => pipeline.del(name));
		assert((await pipeline.exec()).every(([error, count]) => !error && count === 1));
	});

	check('what the cluster says of itself', async (key) => {
		assert.equal(client.nodes('master').length, 1);
		assert.equal(client.nodes('slave').length, 0);
		const node = connection();
		assert.match(await node.cluster('INFO'), /^cluster_state:ok\r$/m);
		const [[first, last, [host, port, id]], ...rest] = await node.cluster('SLOTS');
		assert.deepEqual([first, last, host, port, rest],
			[0, 16383, address.host, address.port, []]);
		assert.equal(await node.cluster('MYID'), id);
		assert.equal(await node.cluster('KEYSLOT', key), await node.cluster('KEYSLOT', `${key}2`));
	});

	check('reads from replicas', (key) => withClient({ scaleReads: 'all' }, async (other) => {
		assert.equal(await other.set(key, 'v'), 'OK');
		assert.equal(await other.get(key), 'v');
	}));
} else {
	check('name and database of the options', () => withClient(
		{ connectionName: 'named', db: 0 }, async (other) => {
			assert.equal(await other.client('GETNAME'), 'named');
		}));

	check('killed connections come back', (key) => withClient({}, async (other) => {
		const id = await other.client('ID');
		const back = new Promise((resolve) => {
			other.once('close', () => other.once('ready', resolve));
		});
		assert.equal(await client.client('KILL', 'ID', id), 1);
		await back;
		assert.notEqual(await other.client('ID'), id);
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

run(open, () => client.quit());
