"""What servers and workers decide: pure, without a network, a clock or a store."""
