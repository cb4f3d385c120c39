"""What mlorch takes beside others on the same generated work: `make bench`."""
