"""Outboxes: where services leave the records of acts, in the transaction of each act."""
