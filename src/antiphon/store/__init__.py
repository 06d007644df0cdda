"""The durable side: the store's ports over databases, one folder for each, with SQL that has names."""
