"""What Antiphon promises, tried."""
