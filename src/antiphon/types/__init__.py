"""The vocabulary: everything that stands on a wire or travels between floors, as msgspec Structs."""
