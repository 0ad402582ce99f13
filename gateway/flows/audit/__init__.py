"""For auditors: the whole way of a report across apps and linked reports, on paper and on a terminal."""

from gateway.flows.audit.follow import find, trace
from gateway.flows.audit.picture import picture
from gateway.flows.audit.trace import Trace

__all__ = ["Trace", "find", "picture", "trace"]
