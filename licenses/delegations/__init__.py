"""Delegation (委托): an agent who may list and present a holder's licenses for a purpose."""
