"""What the statutory clock runs by: jurisdictions and the calendar."""
