"""How long an iteration, several processes and the whole pipeline take."""
