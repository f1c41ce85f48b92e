"""Validating: every instance is read again, verified, described in the sandbox and graded before anyone is told."""

from transfers.validating.validation import apply_rejections, validate

__all__ = ["apply_rejections", "validate"]
