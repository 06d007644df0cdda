"""What tests need, ours and those of anyone who builds on the server; nothing here is imported by it."""
