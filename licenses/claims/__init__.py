"""What only one license in force may have: a holder, or a value of a field."""
