"""Mutual recognition (互认): other authorities whose seals are trusted here, and on what terms."""
