"""Evaluation: the randomised stepwise evaluation and its tests."""
