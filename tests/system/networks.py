# SPDX-License-Identifier: Apache-2.0
"""Nodes in networks of their own, between which packets can be made to disappear.

Each node has a network namespace with one address; a router that is a namespace, too, connects
them. What is cut is dropped by the router without a word, as by a broken switch. A client
port stays on the loopback interface of the node's namespace: `inside` leads there.
"""
import contextlib
import ctypes
import os
import shutil
import subprocess

import limits

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)

ROUTER_ADDRESS = "10.77.255.1"


def enter(namespace):
    """The calling thread, or new process, has this network from now on."""
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, check=False)
    if done.returncode != 0:
        raise limits.Refused(f"ip {' '.join(words)}: {done.stderr.decode().strip()}")


class Place:
    """A namespace with an address."""

    def __init__(self, name, address):
        self.name = name
        self.address = address
        self.namespace = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self):
        os.close(self.namespace)

    @contextlib.contextmanager
    def inside(self):
        """The calling thread opens its sockets there."""
        with open("/proc/thread-self/ns/net", "rb") as home:
            enter(self.namespace)
            try:
                yield
            finally:
                enter(home.fileno())

    def house(self, node):
        """Lets a node that was not started yet live here."""
        connect = node.client

        def client():
            with self.inside():
                return connect()

        node.client = client
        node.before_exec = lambda: enter(self.namespace)
        node.settings["listen.peer"] = f"{self.address}:{node.peer_port}"


class Network:
    """`with Network() as network: network.add()` makes places; all is gone after the block."""

    def __init__(self):
        if shutil.which("ip") is None:
            raise limits.Refused("there is no ip of iproute2")
        self.prefix = f"dht{os.getpid()}"
        self.router = f"{self.prefix}r"
        self.names = []
        self.places = []

    def __enter__(self):
        try:
            self.make_namespace(self.router)
            ip("netns", "exec", self.router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        except limits.Refused:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for place in self.places:
            place.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def make_namespace(self, name):
        ip("netns", "add", name)
        self.names.append(name)
        ip("-n", name, "link", "set", "lo", "up")

    def add(self):
        """A new place."""
        number = len(self.places) + 1
        name, wire = f"{self.prefix}n{number}", f"wire{number}"
        address = f"10.77.0.{number}"
        self.make_namespace(name)
        ip("-n", self.router, "link", "add", wire, "type", "veth",
           "peer", "name", "wire", "netns", name)
        for namespace, end, own, other in ((self.router, wire, ROUTER_ADDRESS, address),
                                           (name, "wire", address, ROUTER_ADDRESS)):
            ip("-n", namespace, "addr", "add", f"{own}/32", "dev", end)
            ip("-n", namespace, "link", "set", end, "up")
            ip("-n", namespace, "route", "add", other, "dev", end)
        ip("-n", name, "route", "add", "default", "via", ROUTER_ADDRESS)
        place = Place(name, address)
        self.places.append(place)
        return place

    @contextlib.contextmanager
    def cut(self, *pairs):
        """While the block runs no packet goes from the first to the second of a pair."""
        rules = [("from", one.address, "to", other.address, "blackhole") for one, other in pairs]
        for rule in rules:
            ip("-n", self.router, "rule", "add", *rule)
        try:
            yield
        finally:
            for rule in rules:
                ip("-n", self.router, "rule", "del", *rule)


def both_ways(one, others):
    return [pair for other in others for pair in ((one, other), (other, one))]
