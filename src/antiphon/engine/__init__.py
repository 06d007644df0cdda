"""The run: emitter, context and draft are pure; the runner carries them through ports."""
