"""Providers: codec, address, credentials and profile; the transport to them, and the way from a name to a model."""
