# SPDX-License-Identifier: Apache-2.0
"""A row of the table that tests/bench/store prints; resp_row.py adds to it."""
import dataclasses


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


@dataclasses.dataclass
class Row:
    """A figure of ours, that of somebody else, and the bound that one of them has.

    A figure of None was not measured, or there is none."""
    what: str
    ours: float | None
    other: float | None = None
    digits: int = 0
    at_least: float | None = None
    at_most: float | None = None
    is_ratio: bool = False  # what the bound holds for, instead of our figure

    @property
    def ratio(self):
        return self.ours / self.other if self.ours is not None and self.other else None

    @property
    def is_met(self):
        """None when there is no bound, or nothing to hold against it."""
        judged = self.ratio if self.is_ratio else self.ours
        if judged is None or (self.at_least is None and self.at_most is None):
            return None
        return judged >= self.at_least if self.at_most is None else judged <= self.at_most

    def goal(self):
        if self.at_least is None and self.at_most is None:
            return "-"
        sign, bound = (">=", self.at_least) if self.at_most is None else ("<=", self.at_most)
        verdict = {None: "NOT MEASURED", True: "met", False: "MISSED"}[self.is_met]
        return f"{sign} {bound:g} {verdict}"

    def texts(self):
        return (self.what, number(self.ours, self.digits), number(self.other, self.digits),
                number(self.ratio, 2), self.goal())
