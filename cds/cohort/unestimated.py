"""What a cohort does not let us say."""

from __future__ import annotations


class Unestimated(ValueError):
    """The cohort is too small, too short or too uniform for this figure. The sentence says which; it goes on the page
    in the figure's place."""
