# SPDX-License-Identifier: Apache-2.0
"""A row of the table that tests/bench/resp prints: dhtd, redis and memcached."""
import dataclasses

from store_row import Row, number

HEADS = ("what", "dhtd", "redis", "memcached", "/ redis", "/ memcached", "aim", "goal")


@dataclasses.dataclass
class Comparison(Row):
    """A row whose other figure is that of redis.

    Where it has a bound, memcached has to be behind dhtd, too."""
    memcached: float | None = None
    aim: float | None = None  # beyond the bound

    @property
    def ratio_memcached(self):
        return self.ours / self.memcached if self.ours is not None and self.memcached else None

    @property
    def is_memcached_behind(self):
        """None when that was not asked, or could not be told."""
        if self.is_met is None or self.ratio_memcached is None:
            return None
        return self.ratio_memcached > 1 if self.at_most is None else self.ratio_memcached < 1

    def texts(self):
        what, ours, redis, ratio, goal = super().texts()
        if self.is_memcached_behind is False:
            goal += ", memcached AHEAD"
        return (what, ours, redis, number(self.memcached, self.digits), ratio,
                number(self.ratio_memcached, 2), number(self.aim, 2), goal)

    def to_json(self):
        return {"what": self.what.strip(), "dhtd": self.ours, "redis": self.other,
                "memcached": self.memcached, "to_redis": self.ratio,
                "to_memcached": self.ratio_memcached, "at_least": self.at_least,
                "at_most": self.at_most, "aim": self.aim, "is_met": self.is_met,
                "is_memcached_behind": self.is_memcached_behind}
