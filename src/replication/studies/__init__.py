"""What each study asks for: lists of jobs, from the configuration. Nothing here computes, and nothing needs torch."""
