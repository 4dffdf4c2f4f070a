"""The three lists: who must supply what, who needs what, and what is not shared."""
