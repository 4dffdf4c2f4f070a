"""Ask once: what of a service item's materials nobody has to bring."""
