"""What the runs say of the claims."""
