"""The checks of the labs, one module a lab: ``from nnlabs.checks import neurons as check``.

A check module states, for each exercise, a reference, cases and the mistakes that
students make; :mod:`nnlabs.checks.exercise` does the rest. See CONTRIBUTING.md.
"""
