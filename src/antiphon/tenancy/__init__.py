"""Who calls: keys and the tenants they stand for."""
