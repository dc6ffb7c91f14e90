"""Getting data: what to ask for, what was sent, what had to be fetched, and what could not be had."""
