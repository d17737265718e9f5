"""Evaluation: the randomised stepwise evaluation and its tests."""

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.evaluation.randomised import Evaluation, evaluate
from mpss_lib.evaluation.stepwise import Model, stepwise

__all__ = ["CONFIGURATIONS", "Evaluation", "Model", "evaluate", "stepwise"]
