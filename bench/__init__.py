"""What the server costs, in CPU and memory, beside a floor that is measured in the same run."""
