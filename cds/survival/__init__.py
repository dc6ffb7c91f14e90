"""Survival functions and what may honestly be said of them: ranges and milestones, never one number alone."""

from cds.survival.curve import Curve, Milestone, Scenario

__all__ = ["Curve", "Milestone", "Scenario"]
