// SPDX-License-Identifier: Apache-2.0
//
// bench/etcd/load - bench_load's counterpart for etcd: the same closed loop over gRPC.
//
// Each connection is a channel with a TCP connection of its own; it has one call in flight, which
// is answered and followed by the next. Reads are etcd's default, linearizable ones. The report is
// a JSON object with the fields of bench_load's that both have.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <getopt.h>
#include <grpcpp/grpcpp.h>

#include "kv.grpc.pb.h"

namespace {

constexpr double kCallSeconds = 10;

struct Options {
	std::vector<std::string> ports;
	std::vector<pid_t> server_pids;
	bool sets = false;
	bool every_key = false;
	unsigned connections = 1;
	uint64_t keys = 10000;
	size_t value_size = 100;
	double warmup = 0.5, duration = 5;
};

[[noreturn]] void Fail(const std::string &what)
{
	std::cerr << "etcd_load: " << what << '\n';
	std::exit(2);
}

uint64_t ClockNs(clockid_t clock)
{
	timespec t;
	if (clock_gettime(clock, &t) != 0)
		Fail("clock_gettime failed");
	return static_cast<uint64_t>(t.tv_sec) * 1000000000 + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t Now()
{
	return ClockNs(CLOCK_MONOTONIC);
}

// CPU time of all threads of these processes, those that have ended included.
uint64_t ServersCpuNs(const Options &o)
{
	uint64_t ns = 0;
	for (pid_t pid : o.server_pids) {
		clockid_t clock;
		if (clock_getcpuclockid(pid, &clock) != 0)
			Fail("there is no process " + std::to_string(pid));
		ns += ClockNs(clock);
	}
	return ns;
}

std::string KeyOf(uint64_t number)
{
	char text[32];
	std::snprintf(text, sizeof(text), "key:%012llu", static_cast<unsigned long long>(number));
	return text;
}

// As bench_load's: the number of the key, and letters.
std::string ValueOf(uint64_t number, size_t size)
{
	char text[32];
	std::snprintf(text, sizeof(text), "%012llu", static_cast<unsigned long long>(number));
	std::string value(text, std::min<size_t>(size, 12));
	for (size_t i = value.size(); i < size; i++)
		value += static_cast<char>('a' + i % 26);
	return value;
}

struct Connection {
	std::unique_ptr<etcdserverpb::KV::Stub> stub;
	// Of the call in flight; made anew for each.
	std::unique_ptr<grpc::ClientContext> context;
	std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::PutResponse>> put;
	std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::RangeResponse>> range;
	etcdserverpb::PutResponse put_reply;
	etcdserverpb::RangeResponse range_reply;
	grpc::Status status;
	uint64_t number = 0, start_ns = 0, right_ns = 0;
};

struct Result {
	uint64_t answered = 0, misses = 0, errors = 0, mismatches = 0, gap_ns = 0;
	uint64_t wall_ns = 0, server_cpu_ns = 0, client_cpu_ns = 0;
	std::vector<uint64_t> latency_ns;
	std::string first_error;
};

class Load
{
      public:
	explicit Load(const Options &o) : options_(o), connections_(o.connections)
	{
		for (unsigned i = 0; i < o.connections; i++) {
			grpc::ChannelArguments arguments;
			arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
			auto channel = grpc::CreateCustomChannel(
			    "127.0.0.1:" + o.ports[i % o.ports.size()],
			    grpc::InsecureChannelCredentials(), arguments);
			connections_[i].stub = etcdserverpb::KV::NewStub(channel);
		}
	}

	// Runs until the time is up, or until each key was asked for once; seconds: 0 for that.
	Result Run(bool sets, double seconds)
	{
		Result result;
		next_key_ = 0;
		uint64_t cpu = ServersCpuNs(options_), own = ClockNs(CLOCK_PROCESS_CPUTIME_ID);
		uint64_t began = Now();
		uint64_t end = began + static_cast<uint64_t>(seconds * 1e9);
		unsigned in_flight = 0;
		for (Connection &c : connections_) {
			c.right_ns = began;
			in_flight += Send(c, sets, seconds == 0);
		}
		while (in_flight > 0) {
			void *tag;
			bool ok;
			if (!queue_.Next(&tag, &ok))
				Fail("the queue has ended");
			Connection &c = *static_cast<Connection *>(tag);
			Take(c, sets, &result);
			in_flight--;
			if (seconds == 0 || Now() < end)
				in_flight += Send(c, sets, seconds == 0);
		}
		uint64_t now = Now();
		for (Connection &c : connections_)
			EndGap(c, now, &result);
		result.wall_ns = now - began;
		result.server_cpu_ns = ServersCpuNs(options_) - cpu;
		result.client_cpu_ns = ClockNs(CLOCK_PROCESS_CPUTIME_ID) - own;
		return result;
	}

      private:
	unsigned Send(Connection &c, bool sets, bool in_order)
	{
		if (in_order && next_key_ == options_.keys)
			return 0;
		c.number = in_order ? next_key_++ : random_() % options_.keys;
		c.context = std::make_unique<grpc::ClientContext>();
		c.context->set_deadline(std::chrono::system_clock::now() +
					std::chrono::duration_cast<std::chrono::nanoseconds>(
					    std::chrono::duration<double>(kCallSeconds)));
		c.start_ns = Now();
		if (sets) {
			etcdserverpb::PutRequest request;
			request.set_key(KeyOf(c.number));
			request.set_value(ValueOf(c.number, options_.value_size));
			c.put = c.stub->AsyncPut(c.context.get(), request, &queue_);
			c.put->Finish(&c.put_reply, &c.status, &c);
		} else {
			etcdserverpb::RangeRequest request;
			request.set_key(KeyOf(c.number));
			c.range = c.stub->AsyncRange(c.context.get(), request, &queue_);
			c.range->Finish(&c.range_reply, &c.status, &c);
		}
		return 1;
	}

	void Take(Connection &c, bool sets, Result *result)
	{
		uint64_t now = Now();
		result->answered++;
		result->latency_ns.push_back(now - c.start_ns);
		if (!c.status.ok()) {
			result->errors++;
			if (result->first_error.empty())
				result->first_error = c.status.error_message();
			return;
		}
		if (!sets && c.range_reply.kvs_size() == 0)
			result->misses++;
		else if (!sets && c.range_reply.kvs(0).value() !=
				      ValueOf(c.number, options_.value_size))
			result->mismatches++;
		EndGap(c, now, result);
	}

	// Of the time without a right reply.
	static void EndGap(Connection &c, uint64_t now, Result *result)
	{
		result->gap_ns = std::max(result->gap_ns, now - c.right_ns);
		c.right_ns = now;
	}

	const Options &options_;
	std::vector<Connection> connections_;
	grpc::CompletionQueue queue_;
	std::mt19937_64 random_{1};
	uint64_t next_key_ = 0;
};

double QuantileUs(std::vector<uint64_t> &latency_ns, double quantile)
{
	if (latency_ns.empty())
		return 0;
	size_t at = static_cast<size_t>(quantile * static_cast<double>(latency_ns.size() - 1));
	std::nth_element(latency_ns.begin(), latency_ns.begin() + static_cast<long>(at),
			 latency_ns.end());
	return static_cast<double>(latency_ns[at]) / 1e3;
}

void Print(Result &r)
{
	double requests = r.answered > 0 ? static_cast<double>(r.answered) : 1;
	std::printf("{\"requests\":%llu,\"rate\":%.1f,\"misses\":%llu,\"errors\":%llu,"
		    "\"mismatches\":%llu,\"lost\":0,\"disconnected\":0,",
		    static_cast<unsigned long long>(r.answered),
		    static_cast<double>(r.answered) / (static_cast<double>(r.wall_ns) / 1e9),
		    static_cast<unsigned long long>(r.misses),
		    static_cast<unsigned long long>(r.errors),
		    static_cast<unsigned long long>(r.mismatches));
	std::printf("\"latency_us\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"gap_us\":%.3f,",
		    QuantileUs(r.latency_ns, 0.5), QuantileUs(r.latency_ns, 0.99),
		    QuantileUs(r.latency_ns, 1), static_cast<double>(r.gap_ns) / 1e3);
	std::printf("\"client_cpu_us\":%.4f,\"server_cpu_us\":%.4f}\n",
		    static_cast<double>(r.client_cpu_ns) / 1e3 / requests,
		    static_cast<double>(r.server_cpu_ns) / 1e3 / requests);
	if (!r.first_error.empty())
		std::cerr << "etcd_load: first error: " << r.first_error << '\n';
}

void TakeOption(Options &o, const std::string &name, const std::string &text)
{
	if (name == "port")
		o.ports.push_back(text);
	else if (name == "server-pid")
		o.server_pids.push_back(std::stoi(text));
	else if (name == "command" && (text == "set" || text == "get"))
		o.sets = text == "set";
	else if (name == "connections")
		o.connections = static_cast<unsigned>(std::stoul(text));
	else if (name == "keys")
		o.keys = std::stoull(text);
	else if (name == "value-size")
		o.value_size = std::stoul(text);
	else if (name == "warmup")
		o.warmup = std::stod(text);
	else if (name == "duration")
		o.duration = std::stod(text);
	else
		Fail("--" + name + " " + text + " is not known");
}

Options Parse(int argc, char **argv)
{
	static const char *const names[] = {"port", "server-pid", "command", "connections", "keys",
					    "value-size", "warmup", "duration"};
	std::vector<option> rows;
	for (const char *name : names)
		rows.push_back({name, required_argument, nullptr, 0});
	rows.push_back({"every-key", no_argument, nullptr, 1});
	rows.push_back({"json", no_argument, nullptr, 2});
	rows.push_back({nullptr, 0, nullptr, 0});
	Options o;
	int at = 0;
	for (int code; (code = getopt_long(argc, argv, "", rows.data(), &at)) != -1;) {
		if (code == 0)
			TakeOption(o, rows[static_cast<size_t>(at)].name, optarg);
		else if (code == 1)
			o.every_key = true;
		else if (code != 2)
			std::exit(2);
	}
	if (optind < argc || o.ports.empty() || o.connections == 0 || o.keys == 0)
		Fail("wrong usage");
	return o;
}

} // namespace

int main(int argc, char **argv)
{
	Options o;
	try {
		o = Parse(argc, argv);
	} catch (const std::exception &) {
		Fail("a number is none");
	}
	Load load(o);
	if (!o.every_key && o.warmup > 0)
		load.Run(o.sets, o.warmup);
	Result result = load.Run(o.sets, o.every_key ? 0 : o.duration);
	Print(result);
	return result.errors + result.mismatches == 0 ? 0 : 1;
}
