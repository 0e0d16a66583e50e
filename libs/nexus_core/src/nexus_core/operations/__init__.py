"""What more than one service does to a run: thin async code over ports, deciding nothing itself."""
