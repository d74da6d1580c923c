"""What maintainers and instructors run: ``python -m tools.NAME``, each told in ``make help``."""
