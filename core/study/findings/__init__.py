"""What is computed from the trials so far: importance, reruns, wider ranges, the summary."""
