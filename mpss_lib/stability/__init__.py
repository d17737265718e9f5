"""Stability: how much each feature moves when the same study is measured a little differently."""

from mpss_lib.stability.icc import Reliability, Sums, reliability

__all__ = ["Reliability", "Sums", "reliability"]
