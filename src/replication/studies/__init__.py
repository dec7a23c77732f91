"""What is trained for the evidence: many seeds, other settings, other condition numbers, other step sizes."""
