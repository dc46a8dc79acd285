"""Label a collection with a simulated labeller through the real services, and measure it.

The labeller is an ordinary client: it leases real pages and submits real decisions. Its seconds are
those of the cost model, never those of the machine; the machine's are given beside them.

`session` does the work, `measuring` computes what is told of it, `outcome` is what is told.
"""

from hundredfold.client.simulation.known import Known, prepare
from hundredfold.client.simulation.known_pairs import KnownPairs, prepare_pairs
from hundredfold.client.simulation.outcome import Milestone, Outcome, Point
from hundredfold.client.simulation.session import simulate
from hundredfold.client.simulation.settings import Clock, Settings, Stop

__all__ = [
    "Clock",
    "Known",
    "KnownPairs",
    "Milestone",
    "Outcome",
    "Point",
    "Settings",
    "Stop",
    "prepare",
    "prepare_pairs",
    "simulate",
]
