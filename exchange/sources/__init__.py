"""One source for each item (一数一源): who publishes the same, how far they differ, who decides."""
