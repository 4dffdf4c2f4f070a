"""Looks: who used a license for what, which its holder sees, each with a receipt."""
