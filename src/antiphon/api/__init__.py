"""HTTP in: one file per resource, its routes a table at the bottom."""
