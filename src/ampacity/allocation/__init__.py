"""Sharing what the grid can carry: headroom, fair filling on the tree, grants, fallback, optimum, smoothing."""

from ampacity.allocation.allocate import RULE, RULE_VERSION, Allocation, allocate
from ampacity.allocation.explanation import Explanation, entitlement, explain, in_words
from ampacity.allocation.fairness import Fairness, fairness, stranded_w, weighted_jain
from ampacity.allocation.fallback import fallback
from ampacity.allocation.gate import Order, Requests
from ampacity.allocation.grants import is_unused, share_with_grants
from ampacity.allocation.headroom import Headroom, headroom, pool_reserve
from ampacity.allocation.instant import instant_left_w
from ampacity.allocation.loading import anywhere_upstream, element_load_w
from ampacity.allocation.need import is_used_up, need_cap
from ampacity.allocation.optimum import optimum, takes_all
from ampacity.allocation.requests import Decisions, Reason, Status, decide_requests, entitled
from ampacity.allocation.rounding import hand_out_rest, round_down
from ampacity.allocation.smoothing import (
    Smoothing,
    revisions_per_block,
    smooth,
    steady_wish,
    total_variation_w,
)

__all__ = [
    "RULE",
    "RULE_VERSION",
    "Allocation",
    "Decisions",
    "Explanation",
    "Fairness",
    "Headroom",
    "Order",
    "Reason",
    "Requests",
    "Smoothing",
    "Status",
    "allocate",
    "anywhere_upstream",
    "decide_requests",
    "element_load_w",
    "entitled",
    "entitlement",
    "explain",
    "fairness",
    "fallback",
    "hand_out_rest",
    "headroom",
    "in_words",
    "instant_left_w",
    "is_unused",
    "is_used_up",
    "need_cap",
    "optimum",
    "pool_reserve",
    "revisions_per_block",
    "round_down",
    "share_with_grants",
    "smooth",
    "steady_wish",
    "stranded_w",
    "takes_all",
    "total_variation_w",
    "weighted_jain",
]
