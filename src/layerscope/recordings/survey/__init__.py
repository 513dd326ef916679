"""Surveys: what each unit answers to, over data, in numbers that can be added up."""
