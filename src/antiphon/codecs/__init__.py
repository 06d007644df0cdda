"""Upstream wire formats: one module each, pure. A codec says what was said and nothing else."""
