"""Instructors' sources: read them, prove the exercises, generate what students get."""
