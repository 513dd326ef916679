"""Ways in: the shell today; a page, a report and a notebook widget later."""
