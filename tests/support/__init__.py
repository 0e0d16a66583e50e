"""What tests of several folders share: a clock that can be turned, makers of domain values."""
