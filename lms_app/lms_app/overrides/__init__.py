"""What stands in for Frappe's own, by its hooks, where schools of one bench would meet."""
