"""Endorsed copies (加注件): a license's file for one purpose, one receiver and an end."""
