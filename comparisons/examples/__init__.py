"""Worked examples of what the models teach, each on data of a known truth and ending in a page.

python -m comparisons.examples [NAME...] [--out FOLDER]
"""
