"""The supervisor: follows a cluster's feed and sweeps for runs that something went wrong with."""
