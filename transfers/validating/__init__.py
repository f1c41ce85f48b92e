"""Validating: every instance is read again, verified, described in the sandbox and graded before anyone is told."""

from transfers.validating.colliding import compare_senders
from transfers.validating.validation import apply_rejections, validate

__all__ = ["apply_rejections", "compare_senders", "validate"]
