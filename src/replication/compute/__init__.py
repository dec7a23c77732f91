"""What is trained for the evidence: each module computes the result of one kind of job (studies.study.COMPUTE)."""
