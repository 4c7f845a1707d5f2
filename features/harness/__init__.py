"""What runs the probes and compares what they tell."""
