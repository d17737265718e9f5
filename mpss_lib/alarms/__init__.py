"""Alarms: what is wrong with a home, told once to people, and told again when it has ended.

One evaluator looks at facts from outside the scheduler (``watch``: a service of ``mpss up``, and
``mpss alarm check`` from cron), so that a night which was never begun is told as well.
"""

from mpss_lib.alarms.alarm import Alarm, Urgency
from mpss_lib.alarms.facts import Facts, gather
from mpss_lib.alarms.rules import judge
from mpss_lib.alarms.watch import check, heartbeat, try_channels

__all__ = ["Alarm", "Facts", "Urgency", "check", "gather", "heartbeat", "judge", "try_channels"]
